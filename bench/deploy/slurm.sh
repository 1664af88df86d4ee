#!/bin/bash
# Script for SLURM: a Ray cluster on the machines of one allocation, and a sweep on it. Suit the lines below to yours.
#
#   sbatch slurm.sh                                             # the sweep that is named below
#   sbatch --nodes=2 slurm.sh run --dataset adult --budget 1h   # or another command of bench
#   scancel --batch --signal=TERM JOB                           # ends it with a board of what is finished
#
# The same job again goes on where the last was left. Jobs that share a machine need ports of their own.

#SBATCH --job-name=bench
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
##SBATCH --gpus-per-task=1
#SBATCH --mem=0
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120

set -euo pipefail
# source /path/to/venv/bin/activate    # the same on all machines

[ $# -gt 0 ] || set -- suite run smoke --budget 10m --output "$SLURM_SUBMIT_DIR/results/smoke"

port=${BENCH_RAY_PORT:-6379}
folder=/tmp/ray-$SLURM_JOB_ID
mapfile -t machines < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
read -r ip _ < <(hostname --ip-address) # this script runs on the first of them
steps=()

start() { # Ray on a machine, and what is special about it; srun hands the token on
    srun --nodes=1 --ntasks=1 --nodelist="$1" ray start "${@:2}" --num-cpus="${SLURM_CPUS_PER_TASK:-1}" \
        --disable-usage-stats --block &
    steps+=($!)
}
finish() {
    kill "${steps[@]}" 2>/dev/null || true
    wait
    srun --ntasks-per-node=1 rm -rf "$folder"
}
trap finish EXIT

# Who has no token is not let in.
RAY_AUTH_TOKEN=$(python -c "import secrets; print(secrets.token_hex(32))")
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
start "${machines[0]}" --head --node-ip-address="$ip" --port="$port" --include-dashboard=false --temp-dir="$folder"
timeout 300 bash -c "until (: </dev/tcp/$ip/$port) 2>/dev/null; do sleep 1; done"
for machine in "${machines[@]:1}"; do start "$machine" --address="$ip:$port"; done

export RAY_ADDRESS=$ip:$port # what auto stands for
timeout 300 python - "${#machines[@]}" <<'PYTHON'
import sys, time, ray

ray.init("auto", logging_level="ERROR", log_to_driver=False)
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[1]):
    time.sleep(1)
PYTHON

# A signal is handed on to the sweep, which then writes its board.
bench "$@" --address auto &
sweep=$!
trap 'kill -TERM "$sweep"' TERM
until
    wait "$sweep"
    code=$?
    ! kill -0 "$sweep" 2>/dev/null
do :; done
exit "$code"
