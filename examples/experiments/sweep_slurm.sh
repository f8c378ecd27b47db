#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The sweep of loss.ini as an array of Slurm: from the directory that this file
# and loss.ini are in, which all machines have,
#
#   sbatch --wait sweep_slurm.sh && warren sim merge --plot out run-*.sim
#
# There are as many parts as tasks: --array=1-64 splits a larger sweep into 64,
# of several runs each.
#
#SBATCH --job-name=warren-loss
#SBATCH --array=1-8
#SBATCH --ntasks=1 --cpus-per-task=1 --mem=500M --time=00:30:00
#SBATCH --output=slurm-%A_%a.out

set -eu

# What is cut off is not taken for a result.
file=run-$SLURM_ARRAY_TASK_ID.sim
warren sim loss.ini --sweep network.loss=0%,5%,10%,20% --repeat 2 \
    --part "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --save "$file.new"
mv "$file.new" "$file"
