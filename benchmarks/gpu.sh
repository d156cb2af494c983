#!/usr/bin/env bash
# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
#
# Everything there is to measure on a GPU, within ten minutes and without the network.
#
#     benchmarks/gpu.sh --original ../TFChat --data my/saved_build
#     benchmarks/gpu.sh --parts flagship --data data/zh   # the long run, ten minutes by itself
#     benchmarks/gpu.sh --dry               # the same way through on a CPU, with tiny sizes
#
# --data is a saved build or corpus file; without it, pairs are put together from the ChatterBot
# corpus. Each part has a time limit of its own, and the next one starts when it fails. What was
# measured is written to benchmarks/results/gpu.json and gpu.md. PYTHON names the interpreter.

set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
PYTHON=${PYTHON:-$([ -x "$root/.venv/bin/python" ] && echo "$root/.venv/bin/python" || echo python3)}
out=${OUT:-$here/results}
original="" data=invented dry=0 parts=all
while [ $# -gt 0 ]; do
    case $1 in
        --original) original=$2; shift 2 ;;
        --data) data=$2; shift 2 ;;
        --parts) parts=$2; shift 2 ;;
        --dry) dry=1; shift ;;
        *) echo "unknown option $1 (known: --original DIR, --data PATH, --parts A,B, --dry)" >&2; exit 2 ;;
    esac
done
mkdir -p "$out"
rm -f "$out"/part-*
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false PYTHONUNBUFFERED=1
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
with_original=()
[ -n "$original" ] && with_original=(--original "$original")

if [ $dry = 1 ]; then
    device=cpu
    small=(--block 60 --batch 10 --original-block 10 --rounds 1 --vocabulary 1500
           --d-model 16 --heads 2 --layers 1 --ffn 32)
    large=("${small[@]}") many=("${small[@]}") loss=(--pairs 60 --held-out 10 --seconds 1 --block 10
        --our-block 20 --batch 10 --our-batch 10 --vocabulary 1500 --d-model 16 --heads 2
        --layers 1 --ffn 32)
    shape_names=ours,ours-bf16,loop-bf16,original large_names=ours-bf16 feeding=0
    spoken=(--rounds 1 --d-model 16 --layers 1 --vocabulary 300 --new 8 --positions 32)
    slow=10
else
    device=cuda
    # The original's setting: 30 thousand pairs, updates of 50.
    small=(--block 30000 --batch 50 --original-block 2500 --rounds 2)
    # The same network with updates that fill the chip.
    many=(--block 30000 --batch 1000 --rounds 2)
    # 108 million parameters.
    large=(--block 30000 --batch 1000 --rounds 2 --d-model 768 --heads 12 --layers 6 --ffn 3072)
    # The original warms up for 4,000 updates of 50 pairs; ours for 400 of 200.
    loss=(--pairs 30000 --seconds 50 --setting warmup_steps=400 learning_rate=0.001)
    shape_names=original,marian-tuned-bf16,loop-bf16,ours-tf32,ours-bf16
    large_names=loop-bf16,ours-tf32,ours-bf16,ours-bf16-compile
    feeding=4 slow=1
    spoken=(--rounds 5)
fi

# part NAME SECONDS COMMAND...: runs one part under its limit and keeps what it printed.
# The limits add up to less than ten minutes; a CPU that others use may be ten times as slow.
part() {
    local name=$1 limit=$(($2 * slow)) started=$SECONDS code
    shift 2
    [ "$parts" = all ] || case ",$parts," in *",$name,"*) ;; *) return ;; esac
    echo "== $name"
    timeout --kill-after=10 "$limit" "$@" 2>"$out/part-$name.log" | tee "$out/part-$name.txt"
    code=${PIPESTATUS[0]}
    echo "$code $((SECONDS - started))" >"$out/part-$name.code"
    [ "$code" = 0 ] || { echo "== $name failed with $code:"; tail -n 15 "$out/part-$name.log"; }
}

cd "$root" || exit 1
train=("$PYTHON" "$here/training.py" --device $device --workload-data "chat=$data")
part environment 20 "$PYTHON" "$here/gpu_report.py" environment
part checks 50 "$PYTHON" "$here/gpu_checks.py" --device $device
part original-shape 150 "${train[@]}" "${small[@]}" --only "$shape_names" \
    "${with_original[@]}" --deadline $((120 * slow)) --out "$out/part-original-shape.json"
part large-updates 80 "${train[@]}" "${many[@]}" --only "$large_names" \
    --deadline $((55 * slow)) --out "$out/part-large-updates.json"
part large-model 100 "${train[@]}" "${large[@]}" --only "$large_names" \
    --deadline $((75 * slow)) --out "$out/part-large-model.json"
part data-feeding 40 "${train[@]}" "${many[@]}" --only ours-bf16 --rounds 1 \
    --setting dataloader_num_workers=$feeding --out "$out/part-data-feeding.json"
# The tokens must be those of transformers' own loop: "tokens equal" in the table.
part generation 90 "$PYTHON" "$here/generation.py" --device $device "${spoken[@]}" \
    --only transformers,ours,transformers-sample,ours-sample,ours-precise,keyboard,keyboard-fast \
    --out "$out/part-generation.json"
part generation-flat 60 "$PYTHON" "$here/generation.py" --device $device "${spoken[@]}" --flat
part recorded-step 60 "$PYTHON" -m pytest -q -n 0 "$root/tests/fast/test_steppers.py"
if [ -n "$original" ]; then
    part time-to-loss 150 "$PYTHON" "$here/time_to_loss.py" --device $device --workload-data "$data" \
        "${with_original[@]}" "${loss[@]}" --out "$out/part-time-to-loss.json"
else
    echo "== time-to-loss left out: --original names no checkout of jingyaogong/TFChat"
fi
case ",$parts," in *,flagship,*)
    part flagship 640 "$PYTHON" "$root/train_hf.py" "$root/configs/flagship_zh.yaml" \
        --dataset "$data" --output_dir "$out/flagship_zh" --overwrite true --max_minutes 9 \
        --d_model 512 --encoder_layers 4 --decoder_layers 4 --encoder_attention_heads 8 \
        --decoder_attention_heads 8 --encoder_ffn_dim 2048 --decoder_ffn_dim 2048 \
        --tokens_per_update 8192 ;;
esac
"$PYTHON" "$here/gpu_report.py" collect "$out"
