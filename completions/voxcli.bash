# bash completion of voxcli, made by `voxcli completion bash`. Source it, or put it into ~/.local/share/bash-completion/completions/voxcli.

_voxcli() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" verb="" word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$verb $word" in
            ' metrics'|' synth'|' weights'|' fruxelize'|' render-surfels'|' train'|' predict'|' sample'|' fuse-views'|' segment'|'metrics iou'|'metrics chamfer'|'metrics fscore'|'metrics hausdorff'|'metrics normals'|'metrics emd'|'metrics depth'|'metrics pose'|'metrics iqtt'|'metrics all'|'metrics merge'|'metrics presets'|' evaluate'|'synth street'|'synth objects'|'synth views'|'synth rooms'|'synth iqtt'|'weights list'|'weights info'|'weights export'|'weights import'|' convert'|' info'|' view'|' doctor'|' guide'|' completion') verb="${verb:+$verb }$word" ;;
        esac
    done
    case "$verb:$previous" in
        *:--output|*:-o|*:--class|*:--classes|*:--size|*:--depth|*:--z-near|*:--z-far|*:--fov|*:--camera|*:--azimuth|*:--elevation|*:--distance|*:--resolution|*:--box|*:--shape|'metrics iou:--fill'|'fruxelize:--format'|'render-surfels:--format'|'predict:--format'|'fuse-views:--format'|'segment:--format'|'convert:--format'|'view:--format'|*:--input-format|*:--shard|*:--workers|*:--scheduler|*:--config|'predict:--as'|'fuse-views:--as'|'convert:--as'|'render-surfels:--views'|'synth objects:--views'|'synth views:--views'|'view:--views'|*:--lights|*:--radius|'synth views:--cells'|*:--threshold|*:--weights|*:--kind|*:--data|*:--recipe|*:--validation|*:--resume|*:--set|*:--poses|*:--cut|*:--background|'metrics depth:--crop'|*:--bbox|*:--fit|*:--camera-out|*:--light-out|*:--relight|*:--points|*:--batch-size|*:--count|*:-n|*:--seed|*:--interpolate|*:--method|*:--score-maps|*:--cameras|*:--camera-scale|*:--trust|*:--behind|*:--unseen|*:--gap|*:--min-volume|*:--only|*:--split|*:--legend|*:--over|*:--ignore-label|*:--mask|*:--mask-out|*:--own-mask|*:--range|*:--align|'metrics iou:--ids'|*:--category-from|*:--pair|*:--fail-under|*:--fail-over|*:--partial|*:--draw|*:--normalise|*:--empty-penalty|*:--iso|*:--to|*:--combine|*:--scale|*:--threshold-of|*:--percentile|*:--reduce|*:--exact-up-to|*:--value|*:--depth-scale|*:--align-in|*:--min-depth|*:--max-depth|*:--within|*:--predictions|*:--retrieve|*:--limit|*:--pictures|*:--assets|*:--picture-scale|*:--fov-jitter|*:--trajectory|*:--realism-weights|*:--categories|*:--stretch|*:--objects|*:--taxonomy|*:--shapes|*:--point-lights|*:--labeled|*:--familiar|*:--share|*:--channel|*:--picture) COMPREPLY=(); return ;;
        *:--grid) COMPREPLY=($(compgen -W 'fruxel voxel' -- "$current")); return ;;
        'fruxelize:--preset') COMPREPLY=($(compgen -W 'shapenet semantic-voxels' -- "$current")); return ;;
        'metrics iou:--preset'|'metrics chamfer:--preset'|'metrics fscore:--preset'|'metrics hausdorff:--preset'|'metrics normals:--preset'|'metrics emd:--preset'|'metrics depth:--preset'|'metrics pose:--preset'|'metrics all:--preset') COMPREPLY=($(compgen -W 'pix2vox r2n2 uclid uclid-pix3d pix3d onet jof pixel2mesh disn meshrcnn tatarchenko pix2scene eigen kitti midas bae-net kitti-ssc nyu-ssc occ3d' -- "$current")); return ;;
        'synth street:--preset') COMPREPLY=($(compgen -W 'semantic-voxels far' -- "$current")); return ;;
        *:--rule) COMPREPLY=($(compgen -W 'slab centre' -- "$current")); return ;;
        'fruxelize:--fill') COMPREPLY=($(compgen -W 'auto outside winding parity surface' -- "$current")); return ;;
        *:--device) COMPREPLY=($(compgen -W 'auto cpu cuda cuda:0' -- "$current")); return ;;
        'metrics iou:--format'|'metrics chamfer:--format'|'metrics fscore:--format'|'metrics hausdorff:--format'|'metrics normals:--format'|'metrics emd:--format'|'metrics depth:--format'|'metrics pose:--format'|'metrics iqtt:--format'|'metrics all:--format'|'metrics merge:--format'|'metrics presets:--format'|'evaluate:--format'|'weights list:--format'|'doctor:--format') COMPREPLY=($(compgen -W 'table json jsonl csv tsv' -- "$current")); return ;;
        'info:--format') COMPREPLY=($(compgen -W 'json jsonl' -- "$current")); return ;;
        'render-surfels:--as') COMPREPLY=($(compgen -W 'shaded normals depth surfels' -- "$current")); return ;;
        'sample:--as') COMPREPLY=($(compgen -W 'shaded depth normals' -- "$current")); return ;;
        *:--model|*:-m) COMPREPLY=($(compgen -W 'ssz rays z-gan edges2image pix2vox-f pix2vox-a jof bae pix2scene iqtt-pix2scene iqtt-cnn iqtt-siamese uclid objects' -- "$current")); return ;;
        'predict:--crop') COMPREPLY=($(compgen -W 'auto box center none' -- "$current")); return ;;
        *:--dtype) COMPREPLY=($(compgen -W 'auto float32 bfloat16 float16 float64' -- "$current")); return ;;
        *:--by) COMPREPLY=($(compgen -W 'instance class' -- "$current")); return ;;
        'convert:--ids'|'info:--ids') COMPREPLY=($(compgen -W 'raw training' -- "$current")); return ;;
        *:--look) COMPREPLY=($(compgen -W 'clean photo' -- "$current")); return ;;
        *:--realism) COMPREPLY=($(compgen -W 'edges2image' -- "$current")); return ;;
        *:--backgrounds) COMPREPLY=($(compgen -W 'plain photo' -- "$current")); return ;;
        'synth objects:--layout') COMPREPLY=($(compgen -W 'r2n2 disn' -- "$current")); return ;;
        'synth views:--layout') COMPREPLY=($(compgen -W 'r2n2 disn jof street' -- "$current")); return ;;
        *:--up) COMPREPLY=($(compgen -W 'y z' -- "$current")); return ;;
        *:--front) COMPREPLY=($(compgen -W 'x -x z -z' -- "$current")); return ;;
        *:--variant) COMPREPLY=($(compgen -W 'box-translation box-rotation shapes-rotation multiple-shapes' -- "$current")); return ;;
        *:--surface) COMPREPLY=($(compgen -W 'auto smooth cells' -- "$current")); return ;;
        *:--unit) COMPREPLY=($(compgen -W 'm cm mm km in ft' -- "$current")); return ;;
    esac
    local common="--config --print-config --quiet -q --verbose -v --help -h"
    case "$verb:$current" in
        ':-'*) COMPREPLY=($(compgen -W "--version --help -h" -- "$current")) ;;
        ':'*) COMPREPLY=($(compgen -W 'fruxelize render-surfels train predict sample fuse-views segment metrics evaluate synth weights convert info view doctor guide completion' -- "$current")) ;;
        'metrics:-'*) COMPREPLY=($(compgen -W "--help -h" -- "$current")) ;;
        'metrics:'*) COMPREPLY=($(compgen -W 'iou chamfer fscore hausdorff normals emd depth pose iqtt all merge presets' -- "$current")) ;;
        'synth:-'*) COMPREPLY=($(compgen -W "--help -h" -- "$current")) ;;
        'synth:'*) COMPREPLY=($(compgen -W 'street objects views rooms iqtt' -- "$current")) ;;
        'weights:-'*) COMPREPLY=($(compgen -W "--help -h" -- "$current")) ;;
        'weights:'*) COMPREPLY=($(compgen -W 'list info export import' -- "$current")) ;;
        'fruxelize:-'*) COMPREPLY=($(compgen -W "--output -o --class --classes --grid --preset --size --depth --z-near --z-far --fov --camera --azimuth --elevation --distance --resolution --box --shape --rule --fill --device --format --input-format --shard --workers --overwrite --skip-existing --keep-going --dry-run --scheduler $common" -- "$current")) ;;
        'render-surfels:-'*) COMPREPLY=($(compgen -W "--output -o --as --camera --views --lights --size --radius --cells --threshold --weights --device --format --kind --input-format --workers --overwrite --skip-existing --keep-going --dry-run --scheduler $common" -- "$current")) ;;
        'train:-'*) COMPREPLY=($(compgen -W "--model -m --data --output -o --recipe --validation --resume --device --dry-run --set $common" -- "$current")) ;;
        'predict:-'*) COMPREPLY=($(compgen -W "--output -o --model -m --weights --fov --probabilities --poses --cut --background --crop --bbox --threshold --coarse --parts --fit --camera-out --light-out --relight --points --camera --depth --views --as --resolution --device --dtype --batch-size --workers --format --input-format --overwrite --skip-existing --keep-going --dry-run --scheduler $common" -- "$current")) ;;
        'sample:-'*) COMPREPLY=($(compgen -W "--output -o --model -m --weights --count -n --seed --interpolate --class --as --camera --device --overwrite --dry-run $common" -- "$current")) ;;
        'fuse-views:-'*) COMPREPLY=($(compgen -W "--output -o --method --model -m --weights --threshold --points --score-maps --cameras --camera-scale --resolution --box --trust --behind --unseen --as --device --format --input-format --overwrite --skip-existing --dry-run $common" -- "$current")) ;;
        'segment:-'*) COMPREPLY=($(compgen -W "--output -o --model -m --weights --gap --min-volume --only --by --split --indices --legend --fov --camera --threshold --resolution --device --dtype --format --input-format --overwrite --skip-existing --keep-going --dry-run $common" -- "$current")) ;;
        'metrics iou:-'*) COMPREPLY=($(compgen -W "--preset --threshold --no-strict --strict --best-threshold --class --over --ignore-label --mask --mask-out --own-mask --detail --range --align --shell --parts --match-parts --points --ids --resolution --fill --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --dry-run --partial --overwrite --scheduler $common" -- "$current")) ;;
        'metrics chamfer:-'*) COMPREPLY=($(compgen -W "--preset --points --draw --normalise --align --empty-penalty --iso --to --no-squared --squared --combine --scale --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --dry-run --partial --overwrite --scheduler $common" -- "$current")) ;;
        'metrics fscore:-'*) COMPREPLY=($(compgen -W "--preset --points --draw --normalise --align --empty-penalty --iso --to --threshold --threshold-of --no-strict --strict --no-percent --percent --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --dry-run --partial --overwrite --scheduler $common" -- "$current")) ;;
        'metrics hausdorff:-'*) COMPREPLY=($(compgen -W "--preset --points --draw --normalise --align --empty-penalty --iso --to --percentile --scale --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --dry-run --partial --overwrite --scheduler $common" -- "$current")) ;;
        'metrics normals:-'*) COMPREPLY=($(compgen -W "--preset --points --draw --normalise --align --empty-penalty --iso --to --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --dry-run --partial --overwrite --scheduler $common" -- "$current")) ;;
        'metrics emd:-'*) COMPREPLY=($(compgen -W "--preset --points --draw --normalise --align --empty-penalty --iso --method --reduce --scale --exact-up-to --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --dry-run --partial --overwrite --scheduler $common" -- "$current")) ;;
        'metrics depth:-'*) COMPREPLY=($(compgen -W "--preset --value --kind --depth-scale --align --align-in --inverse --crop --min-depth --max-depth --mask --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --dry-run --partial --overwrite --scheduler $common" -- "$current")) ;;
        'metrics pose:-'*) COMPREPLY=($(compgen -W "--preset --value --align --within --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --dry-run --partial --overwrite --scheduler $common" -- "$current")) ;;
        'metrics iqtt:-'*) COMPREPLY=($(compgen -W "--category-from --pair --fail-under --fail-over --format --workers --keep-going --dry-run --partial --overwrite --scheduler $common" -- "$current")) ;;
        'metrics all:-'*) COMPREPLY=($(compgen -W "--preset --points --draw --normalise --align --empty-penalty --iso --to --no-squared --squared --combine --scale --threshold --threshold-of --no-strict --strict --no-percent --percent --percentile --seed --category-from --pair --input-format --fail-under --fail-over --format --workers --keep-going --dry-run --partial --overwrite --scheduler $common" -- "$current")) ;;
        'metrics merge:-'*) COMPREPLY=($(compgen -W "--fail-under --fail-over --format $common" -- "$current")) ;;
        'metrics presets:-'*) COMPREPLY=($(compgen -W "--format $common" -- "$current")) ;;
        'evaluate:-'*) COMPREPLY=($(compgen -W "--data --output -o --model -m --weights --predictions --retrieve --pair --method --limit --pictures --format --device --dtype --workers --overwrite --keep-going --dry-run --scheduler --set $common" -- "$current")) ;;
        'evaluate:'*) COMPREPLY=($(compgen -W 'disn iqtt jof-parts jof-pascal3d jof-pix3d jof-shapenet jof-terms jof-unseen meshrcnn nuscenes-occ3d nyu onet pix2scene-rooms pix2scene-views pix2vox-pascal3d pix2vox-pix3d pix2vox-shapenet pix2vox-time pix2vox-unseen pix2vox-views semantic-kitti ssz-scannet ssz-shapenet ssz-synthetic tatarchenko uclid-ablation uclid-pix3d uclid-shapenet uclid-views' -- "$current")) ;;
        'synth street:-'*) COMPREPLY=($(compgen -W "--output -o --count --seed --assets --preset --size --depth --picture-scale --look --fov-jitter --trajectory --realism --realism-weights --shard --workers --overwrite --skip-existing --dry-run --scheduler $common" -- "$current")) ;;
        'synth objects:-'*) COMPREPLY=($(compgen -W "--output -o --count --seed --assets --only-assets --backgrounds --views --categories --stretch --layout --workers --overwrite --skip-existing --dry-run --scheduler $common" -- "$current")) ;;
        'synth views:-'*) COMPREPLY=($(compgen -W "--output -o --layout --views --size --objects --cells --cameras --backgrounds --categories --taxonomy --up --front --seed --workers --overwrite --skip-existing --keep-going --dry-run --scheduler $common" -- "$current")) ;;
        'synth rooms:-'*) COMPREPLY=($(compgen -W "--output -o --count --seed --variant --shapes --assets --point-lights --random-lights --turned --size --workers --overwrite --skip-existing --dry-run --scheduler $common" -- "$current")) ;;
        'synth iqtt:-'*) COMPREPLY=($(compgen -W "--output -o --count --labeled --seed --size --workers --overwrite --skip-existing --dry-run --scheduler $common" -- "$current")) ;;
        'weights list:-'*) COMPREPLY=($(compgen -W "--format $common" -- "$current")) ;;
        'weights info:-'*) COMPREPLY=($(compgen -W "$common" -- "$current")) ;;
        'weights export:-'*) COMPREPLY=($(compgen -W "--output -o --generator-only --familiar --share --overwrite $common" -- "$current")) ;;
        'weights import:-'*) COMPREPLY=($(compgen -W "--output -o --model -m --half --overwrite $common" -- "$current")) ;;
        'convert:-'*) COMPREPLY=($(compgen -W "--output -o --to --as --resolution --threshold --points --surface --seed --kind --ids --up --unit --channel --format --input-format --workers --overwrite --skip-existing --keep-going --dry-run --scheduler $common" -- "$current")) ;;
        'info:-'*) COMPREPLY=($(compgen -W "--format --kind --input-format --ids --keep-going --dry-run $common" -- "$current")) ;;
        'view:-'*) COMPREPLY=($(compgen -W "--output -o --size --views --open --picture --threshold --kind --format --input-format --overwrite --skip-existing --keep-going --dry-run $common" -- "$current")) ;;
        'doctor:-'*) COMPREPLY=($(compgen -W "--format $common" -- "$current")) ;;
        'guide:-'*) COMPREPLY=($(compgen -W "$common" -- "$current")) ;;
        'guide:'*) COMPREPLY=($(compgen -W 'predict fruxelize render metrics evaluate segment-fuse train synth cluster files formats python commands conventions troubleshooting reliability architecture changes results/iqtt results/jof results/objects results/pix2scene results/pix2vox results/rays results/ssz results/uclid speed' -- "$current")) ;;
        'completion:-'*) COMPREPLY=($(compgen -W "$common" -- "$current")) ;;
        'completion:'*) COMPREPLY=($(compgen -W 'bash zsh fish man install bash zsh fish man install' -- "$current")) ;;
        *) COMPREPLY=() ;;
    esac
}
complete -o default -F _voxcli voxcli
