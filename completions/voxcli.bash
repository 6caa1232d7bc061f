# bash completion of voxcli, made by `voxcli completion bash`. Source it, or put it into ~/.local/share/bash-completion/completions/voxcli.

_voxcli() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" verb="" word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$verb $word" in
            ' metrics'|' fruxelize'|'metrics iou'|' convert'|' info'|' view') verb="${verb:+$verb }$word" ;;
        esac
    done
    case "$verb:$previous" in
        'fruxelize:--grid') COMPREPLY=($(compgen -W 'fruxel voxel' -- "$current")); return ;;
        'fruxelize:--preset') COMPREPLY=($(compgen -W 'shapenet semantic-voxels' -- "$current")); return ;;
        'fruxelize:--rule') COMPREPLY=($(compgen -W 'slab centre' -- "$current")); return ;;
        'fruxelize:--fill') COMPREPLY=($(compgen -W 'auto winding parity surface' -- "$current")); return ;;
        'fruxelize:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'fruxelize:--output'|'fruxelize:-o'|'fruxelize:--class'|'fruxelize:--classes'|'fruxelize:--size'|'fruxelize:--depth'|'fruxelize:--z-near'|'fruxelize:--z-far'|'fruxelize:--fov'|'fruxelize:--camera'|'fruxelize:--azimuth'|'fruxelize:--elevation'|'fruxelize:--distance'|'fruxelize:--resolution'|'fruxelize:--format'|'fruxelize:--input-format'|'fruxelize:--workers'|'fruxelize:--config') COMPREPLY=(); return ;;
        'metrics iou:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics iou:--threshold'|'metrics iou:--class'|'metrics iou:--over'|'metrics iou:--ignore-label'|'metrics iou:--align'|'metrics iou:--category-from'|'metrics iou:--fail-under'|'metrics iou:--workers'|'metrics iou:--config') COMPREPLY=(); return ;;
        'convert:--output'|'convert:-o'|'convert:--to'|'convert:--kind'|'convert:--format'|'convert:--input-format'|'convert:--workers'|'convert:--config') COMPREPLY=(); return ;;
        'info:--format') COMPREPLY=($(compgen -W 'json jsonl' -- "$current")); return ;;
        'info:--kind'|'info:--input-format'|'info:--config') COMPREPLY=(); return ;;
        'view:--output'|'view:-o'|'view:--size'|'view:--threshold'|'view:--kind'|'view:--input-format'|'view:--config') COMPREPLY=(); return ;;
    esac
    case "$verb:$current" in
        ':-'*) COMPREPLY=($(compgen -W '--version --help -h' -- "$current")) ;;
        ':'*) COMPREPLY=($(compgen -W 'fruxelize metrics convert info view' -- "$current")) ;;
        'metrics:-'*) COMPREPLY=($(compgen -W '--help -h' -- "$current")) ;;
        'metrics:'*) COMPREPLY=($(compgen -W 'iou' -- "$current")) ;;
        'fruxelize:-'*) COMPREPLY=($(compgen -W '--output -o --class --classes --grid --preset --size --depth --z-near --z-far --fov --camera --azimuth --elevation --distance --resolution --rule --fill --device --format --input-format --workers --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics iou:-'*) COMPREPLY=($(compgen -W '--threshold --strict --class --over --ignore-label --align --category-from --fail-under --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'convert:-'*) COMPREPLY=($(compgen -W '--output -o --to --kind --format --input-format --workers --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'info:-'*) COMPREPLY=($(compgen -W '--format --kind --input-format --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'view:-'*) COMPREPLY=($(compgen -W '--output -o --size --threshold --kind --input-format --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        *) COMPREPLY=() ;;
    esac
}
complete -o default -F _voxcli voxcli
