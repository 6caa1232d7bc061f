# bash completion of voxcli, made by `voxcli completion bash`. Source it, or put it into ~/.local/share/bash-completion/completions/voxcli.

_voxcli() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" verb="" word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$verb $word" in
            ' metrics'|' synth'|' fruxelize'|' train'|' predict'|'metrics iou'|'synth street'|' convert'|' info'|' view') verb="${verb:+$verb }$word" ;;
        esac
    done
    case "$verb:$previous" in
        'fruxelize:--grid') COMPREPLY=($(compgen -W 'fruxel voxel' -- "$current")); return ;;
        'fruxelize:--preset') COMPREPLY=($(compgen -W 'shapenet semantic-voxels' -- "$current")); return ;;
        'fruxelize:--rule') COMPREPLY=($(compgen -W 'slab centre' -- "$current")); return ;;
        'fruxelize:--fill') COMPREPLY=($(compgen -W 'auto winding parity surface' -- "$current")); return ;;
        'fruxelize:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'fruxelize:--output'|'fruxelize:-o'|'fruxelize:--class'|'fruxelize:--classes'|'fruxelize:--size'|'fruxelize:--depth'|'fruxelize:--z-near'|'fruxelize:--z-far'|'fruxelize:--fov'|'fruxelize:--camera'|'fruxelize:--azimuth'|'fruxelize:--elevation'|'fruxelize:--distance'|'fruxelize:--resolution'|'fruxelize:--format'|'fruxelize:--input-format'|'fruxelize:--workers'|'fruxelize:--config') COMPREPLY=(); return ;;
        'train:--model'|'train:-m') COMPREPLY=($(compgen -W 'ssz' -- "$current")); return ;;
        'train:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'train:--data'|'train:--output'|'train:-o'|'train:--recipe'|'train:--validation'|'train:--resume'|'train:--config'|'train:--set') COMPREPLY=(); return ;;
        'predict:--model'|'predict:-m') COMPREPLY=($(compgen -W 'ssz' -- "$current")); return ;;
        'predict:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'predict:--dtype') COMPREPLY=($(compgen -W 'auto float32 bfloat16 float16 float64' -- "$current")); return ;;
        'predict:--output'|'predict:-o'|'predict:--weights'|'predict:--fov'|'predict:--camera'|'predict:--as'|'predict:--resolution'|'predict:--batch-size'|'predict:--format'|'predict:--input-format'|'predict:--config') COMPREPLY=(); return ;;
        'metrics iou:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics iou:--threshold'|'metrics iou:--class'|'metrics iou:--over'|'metrics iou:--ignore-label'|'metrics iou:--align'|'metrics iou:--category-from'|'metrics iou:--fail-under'|'metrics iou:--workers'|'metrics iou:--config') COMPREPLY=(); return ;;
        'synth street:--output'|'synth street:-o'|'synth street:--count'|'synth street:--seed'|'synth street:--assets'|'synth street:--size'|'synth street:--depth'|'synth street:--fov-jitter'|'synth street:--workers'|'synth street:--config') COMPREPLY=(); return ;;
        'convert:--output'|'convert:-o'|'convert:--to'|'convert:--as'|'convert:--resolution'|'convert:--threshold'|'convert:--points'|'convert:--seed'|'convert:--kind'|'convert:--format'|'convert:--input-format'|'convert:--workers'|'convert:--config') COMPREPLY=(); return ;;
        'info:--format') COMPREPLY=($(compgen -W 'json jsonl' -- "$current")); return ;;
        'info:--kind'|'info:--input-format'|'info:--config') COMPREPLY=(); return ;;
        'view:--output'|'view:-o'|'view:--size'|'view:--threshold'|'view:--kind'|'view:--input-format'|'view:--config') COMPREPLY=(); return ;;
    esac
    case "$verb:$current" in
        ':-'*) COMPREPLY=($(compgen -W '--version --help -h' -- "$current")) ;;
        ':'*) COMPREPLY=($(compgen -W 'fruxelize train predict metrics synth convert info view' -- "$current")) ;;
        'metrics:-'*) COMPREPLY=($(compgen -W '--help -h' -- "$current")) ;;
        'metrics:'*) COMPREPLY=($(compgen -W 'iou' -- "$current")) ;;
        'synth:-'*) COMPREPLY=($(compgen -W '--help -h' -- "$current")) ;;
        'synth:'*) COMPREPLY=($(compgen -W 'street' -- "$current")) ;;
        'fruxelize:-'*) COMPREPLY=($(compgen -W '--output -o --class --classes --grid --preset --size --depth --z-near --z-far --fov --camera --azimuth --elevation --distance --resolution --rule --fill --device --format --input-format --workers --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'train:-'*) COMPREPLY=($(compgen -W '--model -m --data --output -o --recipe --validation --resume --device --dry-run --config --set --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'predict:-'*) COMPREPLY=($(compgen -W '--output -o --model -m --weights --probabilities --fov --camera --as --resolution --device --dtype --batch-size --format --input-format --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics iou:-'*) COMPREPLY=($(compgen -W '--threshold --strict --class --over --ignore-label --align --category-from --fail-under --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'synth street:-'*) COMPREPLY=($(compgen -W '--output -o --count --seed --assets --size --depth --fov-jitter --workers --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'convert:-'*) COMPREPLY=($(compgen -W '--output -o --to --as --resolution --threshold --points --seed --kind --format --input-format --workers --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'info:-'*) COMPREPLY=($(compgen -W '--format --kind --input-format --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'view:-'*) COMPREPLY=($(compgen -W '--output -o --size --threshold --kind --input-format --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        *) COMPREPLY=() ;;
    esac
}
complete -o default -F _voxcli voxcli
