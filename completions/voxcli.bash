# bash completion of voxcli, made by `voxcli completion bash`. Source it, or put it into ~/.local/share/bash-completion/completions/voxcli.

_voxcli() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" verb="" word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$verb $word" in
            ' metrics'|' synth'|' weights'|' fruxelize'|' render-surfels'|' train'|' predict'|' sample'|' fuse-views'|' segment'|'metrics iou'|'metrics chamfer'|'metrics fscore'|'metrics hausdorff'|'metrics normals'|'metrics emd'|'metrics depth'|'metrics pose'|'metrics iqtt'|'metrics all'|'metrics presets'|' evaluate'|'synth street'|'synth objects'|'synth rooms'|'synth iqtt'|'weights list'|'weights info'|'weights export'|'weights import'|' convert'|' info'|' view'|' guide') verb="${verb:+$verb }$word" ;;
        esac
    done
    case "$verb:$previous" in
        'fruxelize:--grid') COMPREPLY=($(compgen -W 'fruxel voxel' -- "$current")); return ;;
        'fruxelize:--preset') COMPREPLY=($(compgen -W 'shapenet semantic-voxels' -- "$current")); return ;;
        'fruxelize:--rule') COMPREPLY=($(compgen -W 'slab centre' -- "$current")); return ;;
        'fruxelize:--fill') COMPREPLY=($(compgen -W 'auto outside winding parity surface' -- "$current")); return ;;
        'fruxelize:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'fruxelize:--output'|'fruxelize:-o'|'fruxelize:--class'|'fruxelize:--classes'|'fruxelize:--size'|'fruxelize:--depth'|'fruxelize:--z-near'|'fruxelize:--z-far'|'fruxelize:--fov'|'fruxelize:--camera'|'fruxelize:--azimuth'|'fruxelize:--elevation'|'fruxelize:--distance'|'fruxelize:--resolution'|'fruxelize:--box'|'fruxelize:--shape'|'fruxelize:--format'|'fruxelize:--input-format'|'fruxelize:--workers'|'fruxelize:--config') COMPREPLY=(); return ;;
        'render-surfels:--as') COMPREPLY=($(compgen -W 'shaded normals depth surfels' -- "$current")); return ;;
        'render-surfels:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'render-surfels:--output'|'render-surfels:-o'|'render-surfels:--camera'|'render-surfels:--views'|'render-surfels:--lights'|'render-surfels:--size'|'render-surfels:--radius'|'render-surfels:--threshold'|'render-surfels:--weights'|'render-surfels:--format'|'render-surfels:--kind'|'render-surfels:--input-format'|'render-surfels:--workers'|'render-surfels:--config') COMPREPLY=(); return ;;
        'train:--model'|'train:-m') COMPREPLY=($(compgen -W 'ssz rays z-gan edges2image pix2vox-f pix2vox-a jof bae pix2scene iqtt-pix2scene iqtt-cnn iqtt-siamese uclid objects' -- "$current")); return ;;
        'train:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'train:--data'|'train:--output'|'train:-o'|'train:--recipe'|'train:--validation'|'train:--resume'|'train:--config'|'train:--set') COMPREPLY=(); return ;;
        'predict:--model'|'predict:-m') COMPREPLY=($(compgen -W 'ssz rays z-gan edges2image pix2vox-f pix2vox-a jof bae pix2scene iqtt-pix2scene iqtt-cnn iqtt-siamese uclid objects' -- "$current")); return ;;
        'predict:--crop') COMPREPLY=($(compgen -W 'auto box center none' -- "$current")); return ;;
        'predict:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'predict:--dtype') COMPREPLY=($(compgen -W 'auto float32 bfloat16 float16 float64' -- "$current")); return ;;
        'predict:--output'|'predict:-o'|'predict:--weights'|'predict:--fov'|'predict:--poses'|'predict:--cut'|'predict:--background'|'predict:--bbox'|'predict:--threshold'|'predict:--fit'|'predict:--camera-out'|'predict:--light-out'|'predict:--relight'|'predict:--points'|'predict:--camera'|'predict:--depth'|'predict:--as'|'predict:--resolution'|'predict:--batch-size'|'predict:--format'|'predict:--input-format'|'predict:--config') COMPREPLY=(); return ;;
        'sample:--model'|'sample:-m') COMPREPLY=($(compgen -W 'ssz rays z-gan edges2image pix2vox-f pix2vox-a jof bae pix2scene iqtt-pix2scene iqtt-cnn iqtt-siamese uclid objects' -- "$current")); return ;;
        'sample:--as') COMPREPLY=($(compgen -W 'shaded depth normals' -- "$current")); return ;;
        'sample:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'sample:--output'|'sample:-o'|'sample:--weights'|'sample:--count'|'sample:-n'|'sample:--seed'|'sample:--interpolate'|'sample:--class'|'sample:--camera'|'sample:--config') COMPREPLY=(); return ;;
        'fuse-views:--model'|'fuse-views:-m') COMPREPLY=($(compgen -W 'ssz rays z-gan edges2image pix2vox-f pix2vox-a jof bae pix2scene iqtt-pix2scene iqtt-cnn iqtt-siamese uclid objects' -- "$current")); return ;;
        'fuse-views:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'fuse-views:--output'|'fuse-views:-o'|'fuse-views:--method'|'fuse-views:--weights'|'fuse-views:--threshold'|'fuse-views:--points'|'fuse-views:--score-maps'|'fuse-views:--cameras'|'fuse-views:--camera-scale'|'fuse-views:--resolution'|'fuse-views:--box'|'fuse-views:--trust'|'fuse-views:--behind'|'fuse-views:--unseen'|'fuse-views:--as'|'fuse-views:--format'|'fuse-views:--input-format'|'fuse-views:--config') COMPREPLY=(); return ;;
        'segment:--model'|'segment:-m') COMPREPLY=($(compgen -W 'ssz rays z-gan edges2image pix2vox-f pix2vox-a jof bae pix2scene iqtt-pix2scene iqtt-cnn iqtt-siamese uclid objects' -- "$current")); return ;;
        'segment:--by') COMPREPLY=($(compgen -W 'instance class' -- "$current")); return ;;
        'segment:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'segment:--dtype') COMPREPLY=($(compgen -W 'auto float32 bfloat16 float16 float64' -- "$current")); return ;;
        'segment:--output'|'segment:-o'|'segment:--weights'|'segment:--gap'|'segment:--min-volume'|'segment:--only'|'segment:--split'|'segment:--legend'|'segment:--fov'|'segment:--camera'|'segment:--threshold'|'segment:--resolution'|'segment:--format'|'segment:--input-format'|'segment:--config') COMPREPLY=(); return ;;
        'metrics iou:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene eigen kitti midas bae-net kitti-ssc nyu-ssc occ3d' -- "$current")); return ;;
        'metrics iou:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics iou:--threshold'|'metrics iou:--class'|'metrics iou:--over'|'metrics iou:--ignore-label'|'metrics iou:--mask'|'metrics iou:--mask-out'|'metrics iou:--own-mask'|'metrics iou:--range'|'metrics iou:--align'|'metrics iou:--points'|'metrics iou:--ids'|'metrics iou:--resolution'|'metrics iou:--fill'|'metrics iou:--seed'|'metrics iou:--category-from'|'metrics iou:--pair'|'metrics iou:--input-format'|'metrics iou:--fail-under'|'metrics iou:--fail-over'|'metrics iou:--workers'|'metrics iou:--config') COMPREPLY=(); return ;;
        'metrics chamfer:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene eigen kitti midas bae-net kitti-ssc nyu-ssc occ3d' -- "$current")); return ;;
        'metrics chamfer:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics chamfer:--points'|'metrics chamfer:--draw'|'metrics chamfer:--normalise'|'metrics chamfer:--align'|'metrics chamfer:--empty-penalty'|'metrics chamfer:--iso'|'metrics chamfer:--to'|'metrics chamfer:--combine'|'metrics chamfer:--scale'|'metrics chamfer:--seed'|'metrics chamfer:--category-from'|'metrics chamfer:--pair'|'metrics chamfer:--input-format'|'metrics chamfer:--fail-under'|'metrics chamfer:--fail-over'|'metrics chamfer:--workers'|'metrics chamfer:--config') COMPREPLY=(); return ;;
        'metrics fscore:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene eigen kitti midas bae-net kitti-ssc nyu-ssc occ3d' -- "$current")); return ;;
        'metrics fscore:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics fscore:--points'|'metrics fscore:--draw'|'metrics fscore:--normalise'|'metrics fscore:--align'|'metrics fscore:--empty-penalty'|'metrics fscore:--iso'|'metrics fscore:--to'|'metrics fscore:--threshold'|'metrics fscore:--threshold-of'|'metrics fscore:--seed'|'metrics fscore:--category-from'|'metrics fscore:--pair'|'metrics fscore:--input-format'|'metrics fscore:--fail-under'|'metrics fscore:--fail-over'|'metrics fscore:--workers'|'metrics fscore:--config') COMPREPLY=(); return ;;
        'metrics hausdorff:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene eigen kitti midas bae-net kitti-ssc nyu-ssc occ3d' -- "$current")); return ;;
        'metrics hausdorff:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics hausdorff:--points'|'metrics hausdorff:--draw'|'metrics hausdorff:--normalise'|'metrics hausdorff:--align'|'metrics hausdorff:--empty-penalty'|'metrics hausdorff:--iso'|'metrics hausdorff:--to'|'metrics hausdorff:--percentile'|'metrics hausdorff:--scale'|'metrics hausdorff:--seed'|'metrics hausdorff:--category-from'|'metrics hausdorff:--pair'|'metrics hausdorff:--input-format'|'metrics hausdorff:--fail-under'|'metrics hausdorff:--fail-over'|'metrics hausdorff:--workers'|'metrics hausdorff:--config') COMPREPLY=(); return ;;
        'metrics normals:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene eigen kitti midas bae-net kitti-ssc nyu-ssc occ3d' -- "$current")); return ;;
        'metrics normals:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics normals:--points'|'metrics normals:--draw'|'metrics normals:--normalise'|'metrics normals:--align'|'metrics normals:--empty-penalty'|'metrics normals:--iso'|'metrics normals:--to'|'metrics normals:--seed'|'metrics normals:--category-from'|'metrics normals:--pair'|'metrics normals:--input-format'|'metrics normals:--fail-under'|'metrics normals:--fail-over'|'metrics normals:--workers'|'metrics normals:--config') COMPREPLY=(); return ;;
        'metrics emd:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene eigen kitti midas bae-net kitti-ssc nyu-ssc occ3d' -- "$current")); return ;;
        'metrics emd:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics emd:--points'|'metrics emd:--draw'|'metrics emd:--normalise'|'metrics emd:--align'|'metrics emd:--empty-penalty'|'metrics emd:--iso'|'metrics emd:--method'|'metrics emd:--reduce'|'metrics emd:--scale'|'metrics emd:--exact-up-to'|'metrics emd:--seed'|'metrics emd:--category-from'|'metrics emd:--pair'|'metrics emd:--input-format'|'metrics emd:--fail-under'|'metrics emd:--fail-over'|'metrics emd:--workers'|'metrics emd:--config') COMPREPLY=(); return ;;
        'metrics depth:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene eigen kitti midas bae-net kitti-ssc nyu-ssc occ3d' -- "$current")); return ;;
        'metrics depth:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics depth:--value'|'metrics depth:--kind'|'metrics depth:--depth-scale'|'metrics depth:--align'|'metrics depth:--align-in'|'metrics depth:--crop'|'metrics depth:--min-depth'|'metrics depth:--max-depth'|'metrics depth:--mask'|'metrics depth:--category-from'|'metrics depth:--pair'|'metrics depth:--input-format'|'metrics depth:--fail-under'|'metrics depth:--fail-over'|'metrics depth:--workers'|'metrics depth:--config') COMPREPLY=(); return ;;
        'metrics pose:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene eigen kitti midas bae-net kitti-ssc nyu-ssc occ3d' -- "$current")); return ;;
        'metrics pose:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics pose:--value'|'metrics pose:--align'|'metrics pose:--within'|'metrics pose:--category-from'|'metrics pose:--pair'|'metrics pose:--input-format'|'metrics pose:--fail-under'|'metrics pose:--fail-over'|'metrics pose:--workers'|'metrics pose:--config') COMPREPLY=(); return ;;
        'metrics iqtt:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics iqtt:--category-from'|'metrics iqtt:--pair'|'metrics iqtt:--fail-under'|'metrics iqtt:--fail-over'|'metrics iqtt:--workers'|'metrics iqtt:--config') COMPREPLY=(); return ;;
        'metrics all:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene eigen kitti midas bae-net kitti-ssc nyu-ssc occ3d' -- "$current")); return ;;
        'metrics all:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics all:--points'|'metrics all:--draw'|'metrics all:--normalise'|'metrics all:--align'|'metrics all:--empty-penalty'|'metrics all:--iso'|'metrics all:--to'|'metrics all:--combine'|'metrics all:--scale'|'metrics all:--threshold'|'metrics all:--threshold-of'|'metrics all:--percentile'|'metrics all:--seed'|'metrics all:--category-from'|'metrics all:--pair'|'metrics all:--input-format'|'metrics all:--fail-under'|'metrics all:--fail-over'|'metrics all:--workers'|'metrics all:--config') COMPREPLY=(); return ;;
        'metrics presets:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'metrics presets:--config') COMPREPLY=(); return ;;
        'evaluate:--model'|'evaluate:-m') COMPREPLY=($(compgen -W 'ssz rays z-gan edges2image pix2vox-f pix2vox-a jof bae pix2scene iqtt-pix2scene iqtt-cnn iqtt-siamese uclid objects' -- "$current")); return ;;
        'evaluate:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'evaluate:--device') COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'evaluate:--dtype') COMPREPLY=($(compgen -W 'auto float32 bfloat16 float16 float64' -- "$current")); return ;;
        'evaluate:--data'|'evaluate:--output'|'evaluate:-o'|'evaluate:--weights'|'evaluate:--predictions'|'evaluate:--pair'|'evaluate:--method'|'evaluate:--limit'|'evaluate:--pictures'|'evaluate:--workers'|'evaluate:--config'|'evaluate:--set') COMPREPLY=(); return ;;
        'synth street:--preset') COMPREPLY=($(compgen -W 'semantic-voxels far' -- "$current")); return ;;
        'synth street:--look') COMPREPLY=($(compgen -W 'clean photo' -- "$current")); return ;;
        'synth street:--realism') COMPREPLY=($(compgen -W 'edges2image' -- "$current")); return ;;
        'synth street:--output'|'synth street:-o'|'synth street:--count'|'synth street:--seed'|'synth street:--assets'|'synth street:--size'|'synth street:--depth'|'synth street:--picture-scale'|'synth street:--fov-jitter'|'synth street:--realism-weights'|'synth street:--workers'|'synth street:--config') COMPREPLY=(); return ;;
        'synth objects:--backgrounds') COMPREPLY=($(compgen -W 'plain photo' -- "$current")); return ;;
        'synth objects:--layout') COMPREPLY=($(compgen -W 'r2n2 disn' -- "$current")); return ;;
        'synth objects:--output'|'synth objects:-o'|'synth objects:--count'|'synth objects:--seed'|'synth objects:--assets'|'synth objects:--views'|'synth objects:--categories'|'synth objects:--workers'|'synth objects:--config') COMPREPLY=(); return ;;
        'synth rooms:--variant') COMPREPLY=($(compgen -W 'box-translation box-rotation shapes-rotation multiple-shapes' -- "$current")); return ;;
        'synth rooms:--output'|'synth rooms:-o'|'synth rooms:--count'|'synth rooms:--seed'|'synth rooms:--shapes'|'synth rooms:--assets'|'synth rooms:--point-lights'|'synth rooms:--size'|'synth rooms:--workers'|'synth rooms:--config') COMPREPLY=(); return ;;
        'synth iqtt:--output'|'synth iqtt:-o'|'synth iqtt:--count'|'synth iqtt:--labeled'|'synth iqtt:--seed'|'synth iqtt:--size'|'synth iqtt:--workers'|'synth iqtt:--config') COMPREPLY=(); return ;;
        'weights list:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'weights list:--config') COMPREPLY=(); return ;;
        'weights info:--config') COMPREPLY=(); return ;;
        'weights export:--output'|'weights export:-o'|'weights export:--familiar'|'weights export:--share'|'weights export:--config') COMPREPLY=(); return ;;
        'weights import:--model'|'weights import:-m') COMPREPLY=($(compgen -W 'ssz rays z-gan edges2image pix2vox-f pix2vox-a jof bae pix2scene iqtt-pix2scene iqtt-cnn iqtt-siamese uclid objects' -- "$current")); return ;;
        'weights import:--output'|'weights import:-o'|'weights import:--config') COMPREPLY=(); return ;;
        'convert:--ids') COMPREPLY=($(compgen -W 'raw training' -- "$current")); return ;;
        'convert:--up') COMPREPLY=($(compgen -W 'y z' -- "$current")); return ;;
        'convert:--unit') COMPREPLY=($(compgen -W 'm cm mm km in ft' -- "$current")); return ;;
        'convert:--output'|'convert:-o'|'convert:--to'|'convert:--as'|'convert:--resolution'|'convert:--threshold'|'convert:--points'|'convert:--seed'|'convert:--kind'|'convert:--channel'|'convert:--format'|'convert:--input-format'|'convert:--workers'|'convert:--config') COMPREPLY=(); return ;;
        'info:--format') COMPREPLY=($(compgen -W 'json jsonl' -- "$current")); return ;;
        'info:--ids') COMPREPLY=($(compgen -W 'raw training' -- "$current")); return ;;
        'info:--kind'|'info:--input-format'|'info:--config') COMPREPLY=(); return ;;
        'view:--output'|'view:-o'|'view:--size'|'view:--picture'|'view:--threshold'|'view:--kind'|'view:--format'|'view:--input-format'|'view:--config') COMPREPLY=(); return ;;
        'guide:--config') COMPREPLY=(); return ;;
    esac
    case "$verb:$current" in
        ':-'*) COMPREPLY=($(compgen -W '--version --help -h' -- "$current")) ;;
        ':'*) COMPREPLY=($(compgen -W 'fruxelize render-surfels train predict sample fuse-views segment metrics evaluate synth weights convert info view guide' -- "$current")) ;;
        'metrics:-'*) COMPREPLY=($(compgen -W '--help -h' -- "$current")) ;;
        'metrics:'*) COMPREPLY=($(compgen -W 'iou chamfer fscore hausdorff normals emd depth pose iqtt all presets' -- "$current")) ;;
        'synth:-'*) COMPREPLY=($(compgen -W '--help -h' -- "$current")) ;;
        'synth:'*) COMPREPLY=($(compgen -W 'street objects rooms iqtt' -- "$current")) ;;
        'weights:-'*) COMPREPLY=($(compgen -W '--help -h' -- "$current")) ;;
        'weights:'*) COMPREPLY=($(compgen -W 'list info export import' -- "$current")) ;;
        'fruxelize:-'*) COMPREPLY=($(compgen -W '--output -o --class --classes --grid --preset --size --depth --z-near --z-far --fov --camera --azimuth --elevation --distance --resolution --box --shape --rule --fill --device --format --input-format --workers --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'render-surfels:-'*) COMPREPLY=($(compgen -W '--output -o --as --camera --views --lights --size --radius --cells --threshold --weights --device --format --kind --input-format --workers --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'train:-'*) COMPREPLY=($(compgen -W '--model -m --data --output -o --recipe --validation --resume --device --dry-run --config --set --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'predict:-'*) COMPREPLY=($(compgen -W '--output -o --model -m --weights --fov --probabilities --poses --cut --background --crop --bbox --threshold --coarse --parts --fit --camera-out --light-out --relight --points --camera --depth --views --as --resolution --device --dtype --batch-size --format --input-format --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'sample:-'*) COMPREPLY=($(compgen -W '--output -o --model -m --weights --count -n --seed --interpolate --class --as --camera --device --overwrite --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'fuse-views:-'*) COMPREPLY=($(compgen -W '--output -o --method --model -m --weights --threshold --points --score-maps --cameras --camera-scale --resolution --box --trust --behind --unseen --as --device --format --input-format --overwrite --skip-existing --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'segment:-'*) COMPREPLY=($(compgen -W '--output -o --model -m --weights --gap --min-volume --only --by --split --indices --legend --fov --camera --threshold --resolution --device --dtype --format --input-format --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics iou:-'*) COMPREPLY=($(compgen -W '--preset --threshold --no-strict --strict --best-threshold --class --over --ignore-label --mask --mask-out --own-mask --detail --range --align --shell --parts --match-parts --points --ids --resolution --fill --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics chamfer:-'*) COMPREPLY=($(compgen -W '--preset --points --draw --normalise --align --empty-penalty --iso --to --no-squared --squared --combine --scale --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics fscore:-'*) COMPREPLY=($(compgen -W '--preset --points --draw --normalise --align --empty-penalty --iso --to --threshold --threshold-of --no-strict --strict --no-percent --percent --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics hausdorff:-'*) COMPREPLY=($(compgen -W '--preset --points --draw --normalise --align --empty-penalty --iso --to --percentile --scale --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics normals:-'*) COMPREPLY=($(compgen -W '--preset --points --draw --normalise --align --empty-penalty --iso --to --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics emd:-'*) COMPREPLY=($(compgen -W '--preset --points --draw --normalise --align --empty-penalty --iso --method --reduce --scale --exact-up-to --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics depth:-'*) COMPREPLY=($(compgen -W '--preset --value --kind --depth-scale --align --align-in --inverse --crop --min-depth --max-depth --mask --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics pose:-'*) COMPREPLY=($(compgen -W '--preset --value --align --within --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics iqtt:-'*) COMPREPLY=($(compgen -W '--category-from --pair --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics all:-'*) COMPREPLY=($(compgen -W '--preset --points --draw --normalise --align --empty-penalty --iso --to --no-squared --squared --combine --scale --threshold --threshold-of --no-strict --strict --no-percent --percent --percentile --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'metrics presets:-'*) COMPREPLY=($(compgen -W '--format --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'evaluate:-'*) COMPREPLY=($(compgen -W '--data --output -o --model -m --weights --predictions --pair --method --limit --pictures --format --device --dtype --workers --overwrite --keep-going --dry-run --config --set --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'evaluate:'*) COMPREPLY=($(compgen -W 'disn iqtt jof-pascal3d jof-pix3d jof-shapenet meshrcnn nuscenes-occ3d nyu onet pix2scene-rooms pix2scene-views pix2vox-pascal3d pix2vox-pix3d pix2vox-shapenet pix2vox-unseen pix2vox-views semantic-kitti ssz-shapenet ssz-synthetic tatarchenko uclid-ablation uclid-pix3d uclid-shapenet uclid-views' -- "$current")) ;;
        'synth street:-'*) COMPREPLY=($(compgen -W '--output -o --count --seed --assets --preset --size --depth --picture-scale --look --fov-jitter --realism --realism-weights --workers --overwrite --skip-existing --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'synth objects:-'*) COMPREPLY=($(compgen -W '--output -o --count --seed --assets --only-assets --backgrounds --views --categories --layout --workers --overwrite --skip-existing --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'synth rooms:-'*) COMPREPLY=($(compgen -W '--output -o --count --seed --variant --shapes --assets --point-lights --random-lights --turned --size --workers --overwrite --skip-existing --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'synth iqtt:-'*) COMPREPLY=($(compgen -W '--output -o --count --labeled --seed --size --workers --overwrite --skip-existing --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'weights list:-'*) COMPREPLY=($(compgen -W '--format --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'weights info:-'*) COMPREPLY=($(compgen -W '--config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'weights export:-'*) COMPREPLY=($(compgen -W '--output -o --generator-only --familiar --share --overwrite --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'weights import:-'*) COMPREPLY=($(compgen -W '--output -o --model -m --half --overwrite --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'convert:-'*) COMPREPLY=($(compgen -W '--output -o --to --as --resolution --threshold --points --seed --kind --ids --up --unit --channel --format --input-format --workers --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'info:-'*) COMPREPLY=($(compgen -W '--format --kind --input-format --ids --keep-going --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'view:-'*) COMPREPLY=($(compgen -W '--output -o --size --picture --threshold --kind --format --input-format --overwrite --skip-existing --keep-going --dry-run --config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'guide:-'*) COMPREPLY=($(compgen -W '--config --print-config --quiet -q --verbose -v --help -h' -- "$current")) ;;
        'guide:'*) COMPREPLY=($(compgen -W 'predict fruxelize render metrics evaluate segment-fuse train synth files formats python conventions troubleshooting reliability architecture changes results/iqtt results/jof results/pix2scene results/pix2vox results/rays results/ssz results/uclid' -- "$current")) ;;
        *) COMPREPLY=() ;;
    esac
}
complete -o default -F _voxcli voxcli
