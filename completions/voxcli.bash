# bash completion of voxcli, made by `voxcli completion bash`. Source it, or put it into ~/.local/share/bash-completion/completions/voxcli.

_voxcli() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" verb="" word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$verb $word" in
            ' metrics'|' synth'|' weights'|' fruxelize'|' train'|' predict'|'metrics iou'|'metrics chamfer'|'metrics fscore'|'metrics hausdorff'|'metrics emd'|'metrics all'|'metrics depth'|'metrics pose'|'metrics presets'|'synth street'|'weights list'|'weights info'|'weights export'|'weights import'|' convert'|' info'|' view') verb="${verb:+$verb }$word" ;;
        esac
    done
    case "$verb:$previous" in
        'fruxelize:--grid') COMPREPLY=($(compgen -W 'fruxel voxel' -- "$current")); return ;;
        'fruxelize:--preset') COMPREPLY=($(compgen -W 'shapenet semantic-voxels' -- "$current")); return ;;
        'fruxelize:--rule') COMPREPLY=($(compgen -W 'slab centre' -- "$current")); return ;;
        'fruxelize:--fill') COMPREPLY=($(compgen -W 'auto winding parity surface' -- "$current")); return ;;
        'fruxelize:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'fruxelize:--output'|'fruxelize:-o'|'fruxelize:--class'|'fruxelize:--classes'|'fruxelize:--size'|'fruxelize:--depth'|'fruxelize:--z-near'|'fruxelize:--z-far'|'fruxelize:--fov'|'fruxelize:--camera'|'fruxelize:--azimuth'|'fruxelize:--elevation'|'fruxelize:--distance'|'fruxelize:--resolution'|'fruxelize:--format'|'fruxelize:--input-format'|'fruxelize:--workers'|'fruxelize:--config') COMPREPLY=(); return ;;
        'train:--model'|'train:-m') COMPREPLY=($(compgen -W 'ssz z-gan' -- "$current")); return ;;
        'train:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'train:--data'|'train:--output'|'train:-o'|'train:--recipe'|'train:--validation'|'train:--resume'|'train:--config'|'train:--set') COMPREPLY=(); return ;;
        'predict:--model'|'predict:-m') COMPREPLY=($(compgen -W 'ssz z-gan' -- "$current")); return ;;
        'predict:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'predict:--dtype') COMPREPLY=($(compgen -W 'auto float32 bfloat16 float16 float64' -- "$current")); return ;;
        'predict:--output'|'predict:-o'|'predict:--weights'|'predict:--poses'|'predict:--fov'|'predict:--camera'|'predict:--as'|'predict:--resolution'|'predict:--batch-size'|'predict:--format'|'predict:--input-format'|'predict:--config') COMPREPLY=(); return ;;
        'metrics iou:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene bae-net kitti-ssc' -- "$current")); return ;;
        'metrics iou:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics iou:--threshold'|'metrics iou:--class'|'metrics iou:--over'|'metrics iou:--ignore-label'|'metrics iou:--mask'|'metrics iou:--mask-out'|'metrics iou:--align'|'metrics iou:--points'|'metrics iou:--seed'|'metrics iou:--resolution'|'metrics iou:--category-from'|'metrics iou:--fail-under'|'metrics iou:--workers'|'metrics iou:--config') COMPREPLY=(); return ;;
        'metrics chamfer:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene bae-net kitti-ssc' -- "$current")); return ;;
        'metrics chamfer:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics chamfer:--points'|'metrics chamfer:--combine'|'metrics chamfer:--scale'|'metrics chamfer:--normalise'|'metrics chamfer:--draw'|'metrics chamfer:--to'|'metrics chamfer:--iso'|'metrics chamfer:--empty-penalty'|'metrics chamfer:--seed'|'metrics chamfer:--category-from'|'metrics chamfer:--fail-under'|'metrics chamfer:--fail-over'|'metrics chamfer:--workers'|'metrics chamfer:--config') COMPREPLY=(); return ;;
        'metrics fscore:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene bae-net kitti-ssc' -- "$current")); return ;;
        'metrics fscore:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics fscore:--threshold'|'metrics fscore:--threshold-of'|'metrics fscore:--points'|'metrics fscore:--normalise'|'metrics fscore:--draw'|'metrics fscore:--to'|'metrics fscore:--iso'|'metrics fscore:--seed'|'metrics fscore:--category-from'|'metrics fscore:--fail-under'|'metrics fscore:--fail-over'|'metrics fscore:--workers'|'metrics fscore:--config') COMPREPLY=(); return ;;
        'metrics hausdorff:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene bae-net kitti-ssc' -- "$current")); return ;;
        'metrics hausdorff:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics hausdorff:--percentile'|'metrics hausdorff:--points'|'metrics hausdorff:--normalise'|'metrics hausdorff:--draw'|'metrics hausdorff:--to'|'metrics hausdorff:--iso'|'metrics hausdorff:--seed'|'metrics hausdorff:--category-from'|'metrics hausdorff:--fail-under'|'metrics hausdorff:--fail-over'|'metrics hausdorff:--workers'|'metrics hausdorff:--config') COMPREPLY=(); return ;;
        'metrics emd:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene bae-net kitti-ssc' -- "$current")); return ;;
        'metrics emd:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics emd:--points'|'metrics emd:--method'|'metrics emd:--exact-up-to'|'metrics emd:--scale'|'metrics emd:--normalise'|'metrics emd:--draw'|'metrics emd:--iso'|'metrics emd:--seed'|'metrics emd:--category-from'|'metrics emd:--fail-under'|'metrics emd:--fail-over'|'metrics emd:--workers'|'metrics emd:--config') COMPREPLY=(); return ;;
        'metrics all:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene bae-net kitti-ssc' -- "$current")); return ;;
        'metrics all:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics all:--points'|'metrics all:--combine'|'metrics all:--threshold'|'metrics all:--normalise'|'metrics all:--draw'|'metrics all:--to'|'metrics all:--iso'|'metrics all:--seed'|'metrics all:--category-from'|'metrics all:--workers'|'metrics all:--config') COMPREPLY=(); return ;;
        'metrics depth:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics depth:--depth-scale'|'metrics depth:--mask'|'metrics depth:--category-from'|'metrics depth:--fail-over'|'metrics depth:--workers'|'metrics depth:--config') COMPREPLY=(); return ;;
        'metrics pose:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics pose:--category-from'|'metrics pose:--fail-over'|'metrics pose:--workers'|'metrics pose:--config') COMPREPLY=(); return ;;
        'metrics presets:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics presets:--config') COMPREPLY=(); return ;;
        'synth street:--output'|'synth street:-o'|'synth street:--count'|'synth street:--seed'|'synth street:--assets'|'synth street:--size'|'synth street:--depth'|'synth street:--fov-jitter'|'synth street:--workers'|'synth street:--config') COMPREPLY=(); return ;;
        'weights list:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'weights list:--config') COMPREPLY=(); return ;;
        'weights info:--config') COMPREPLY=(); return ;;
        'weights export:--output'|'weights export:-o'|'weights export:--config') COMPREPLY=(); return ;;
        'weights import:--model'|'weights import:-m') COMPREPLY=($(compgen -W 'ssz z-gan' -- "$current")); return ;;
        'weights import:--output'|'weights import:-o'|'weights import:--config') COMPREPLY=(); return ;;
        'convert:--output'|'convert:-o'|'convert:--to'|'convert:--as'|'convert:--resolution'|'convert:--threshold'|'convert:--points'|'convert:--seed'|'convert:--kind'|'convert:--format'|'convert:--input-format'|'convert:--workers'|'convert:--config') COMPREPLY=(); return ;;
        'info:--format') COMPREPLY=($(compgen -W 'json jsonl' -- "$current")); return ;;
        'info:--kind'|'info:--input-format'|'info:--config') COMPREPLY=(); return ;;
        'view:--output'|'view:-o'|'view:--size'|'view:--threshold'|'view:--kind'|'view:--input-format'|'view:--config') COMPREPLY=(); return ;;
    esac
    case "$verb:$current" in
        ':-'*) COMPREPLY=($(compgen -W '--version --help -h' -- "$current")) ;;
        ':'*) COMPREPLY=($(compgen -W 'fruxelize train predict metrics synth weights convert info view' -- "$current")) ;;
        'metrics:-'*) COMPREPLY=($(compgen -W '--help -h' -- "$current")) ;;
        'metrics:'*) COMPREPLY=($(compgen -W 'iou chamfer fscore hausdorff emd all depth pose presets' -- "$current")) ;;
        'synth:-'*) COMPREPLY=($(compgen -W '--help -h' -- "$current")) ;;
        'synth:'*) COMPREPLY=($(compgen -W 'street' -- "$current")) ;;
        'weights:-'*) COMPREPLY=($(compgen -W '--help -h' -- "$current")) ;;
        'weights:'*) COMPREPLY=($(compgen -W 'list info export import' -- "$current")) ;;
        'fruxelize:-'*) COMPREPLY=($(compgen -W '--output -o --class --classes --grid --preset --size --depth --z-near --z-far --fov --camera --azimuth --elevation --distance --resolution --rule --fill --device --format --input-format --workers --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'train:-'*) COMPREPLY=($(compgen -W '--model -m --data --output -o --recipe --validation --resume --device --dry-run --config --set --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'predict:-'*) COMPREPLY=($(compgen -W '--output -o --model -m --weights --probabilities --poses --fov --camera --as --resolution --device --dtype --batch-size --format --input-format --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics iou:-'*) COMPREPLY=($(compgen -W '--preset --threshold --no-strict --strict --best-threshold --class --over --ignore-label --mask --mask-out --align --shell --parts --match-parts --points --seed --resolution --category-from --fail-under --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics chamfer:-'*) COMPREPLY=($(compgen -W '--preset --points --no-squared --squared --combine --scale --normalise --draw --to --iso --empty-penalty --seed --category-from --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics fscore:-'*) COMPREPLY=($(compgen -W '--preset --threshold --threshold-of --no-strict --strict --no-percent --percent --points --normalise --draw --to --iso --seed --category-from --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics hausdorff:-'*) COMPREPLY=($(compgen -W '--preset --percentile --points --normalise --draw --to --iso --seed --category-from --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics emd:-'*) COMPREPLY=($(compgen -W '--preset --points --method --exact-up-to --scale --normalise --draw --iso --seed --category-from --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics all:-'*) COMPREPLY=($(compgen -W '--preset --points --no-squared --squared --combine --threshold --normalise --draw --to --iso --seed --category-from --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics depth:-'*) COMPREPLY=($(compgen -W '--depth-scale --mask --category-from --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics pose:-'*) COMPREPLY=($(compgen -W '--category-from --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics presets:-'*) COMPREPLY=($(compgen -W '--format --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'synth street:-'*) COMPREPLY=($(compgen -W '--output -o --count --seed --assets --size --depth --fov-jitter --workers --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'weights list:-'*) COMPREPLY=($(compgen -W '--format --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'weights info:-'*) COMPREPLY=($(compgen -W '--config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'weights export:-'*) COMPREPLY=($(compgen -W '--output -o --generator-only --overwrite --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'weights import:-'*) COMPREPLY=($(compgen -W '--output -o --model -m --overwrite --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'convert:-'*) COMPREPLY=($(compgen -W '--output -o --to --as --resolution --threshold --points --seed --kind --format --input-format --workers --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'info:-'*) COMPREPLY=($(compgen -W '--format --kind --input-format --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'view:-'*) COMPREPLY=($(compgen -W '--output -o --size --threshold --kind --input-format --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        *) COMPREPLY=() ;;
    esac
}
complete -o default -F _voxcli voxcli
