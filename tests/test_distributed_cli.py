# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Several processes: launchers, their configuration files, stopping and resuming together."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import FullyShardedDataParallelPlugin, patch_environment
from accelerate.utils.launch import prepare_multi_gpu_env
from torch.distributed.run import get_args_parser

from tfchat_hf.settings.parsing import parse_arguments

from . import cli_runs
from .cli_runs import Fault, largest_difference, logged, losses, run_alone, run_together, weights
from .sharded_step import compare_sharded_with_whole
from .tiny import tiny_model

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs" / "accelerate").glob("*.yaml"))
DROPOUT = ["--dropout", "0.2", "--max_steps", "6"]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    cli_runs.write_settings(folder)
    return folder


def command(workshop: Path, folder: Path, batch: int, *more: str) -> list[str]:
    """Words a command line with updates of 8 pairs for 8 / batch processes."""
    options = ["--tokens_per_update", "0", "--per_device_train_batch_size", str(batch)]
    return [str(workshop / "settings.yaml"), *options, *more, "--output_dir", str(folder)]


def launch_arguments(config: Path):
    """Reads a configuration file as `accelerate launch` does."""
    arguments = launch_command_parser().parse_args(["--config_file", str(config), "train_hf.py"])
    return _validate_launch_command(arguments)[0]


def test_there_are_four_configurations():
    names = {path.stem for path in CONFIGS}
    assert names == {"ddp_cpu", "ddp_gpu", "fsdp", "multi_node"}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_starts_all_its_processes(config):
    assert load_config_from_file(str(config)).num_processes > 1
    arguments = launch_arguments(config)
    # Whatever is neither goes to the launcher that starts one process and says nothing.
    assert arguments.multi_gpu or arguments.use_fsdp
    environment = prepare_multi_gpu_env(arguments)
    machines = 2 if config.stem == "multi_node" else 1
    assert int(arguments.nproc_per_node) * machines == arguments.num_processes
    assert (environment.get("ACCELERATE_USE_FSDP") == "true") is (config.stem == "fsdp")
    # each value is explained
    lines = config.read_text(encoding="utf-8").splitlines()
    assert sum(line.lstrip().startswith("#") for line in lines) >= 6


def test_fsdp_wraps_the_layers_of_the_model():
    environment = prepare_multi_gpu_env(launch_arguments(ROOT / "configs/accelerate/fsdp.yaml"))
    model = tiny_model(tie_word_embeddings=True)
    with patch_environment(**environment):
        plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2 and plugin.reshard_after_forward is True
    assert "FULL_STATE_DICT" in str(plugin.state_dict_type)
    plugin.set_auto_wrap_policy(model)
    wrapped = {
        type(module).__name__
        for module in model.modules()
        if plugin.auto_wrap_policy(module=module, recurse=False, nonwrapped_numel=0)
    }
    assert wrapped == {"TFChatEncoderLayer", "TFChatDecoderLayer"}


def documented(page: str) -> list[list[str]]:
    """Reads the commands of a page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [
        shlex.split(line)
        for block in re.findall(r"^```bash\n(.*?)^```$", text, flags=re.M | re.S)
        for line in block.splitlines()
    ]


def test_the_documented_commands_are_understood():
    commands = documented("distributed.md")
    assert len(commands) == 4 and commands == documented("distributed.zh-CN.md")
    for launcher, *words in commands:
        if launcher == "torchrun":
            parsed = get_args_parser().parse_args(words)
            assert int(parsed.nproc_per_node) == 2
        else:
            parsed = launch_command_parser().parse_args(words[1:])
            assert _validate_launch_command(parsed)[0].multi_gpu, words
        settings = [word for word in parsed.training_script_args if word != "my.yaml"]
        assert (ROOT / parsed.training_script).is_file()
        assert parse_arguments([*settings, "--output_dir", "unused"]).training.output_dir


def test_accelerates_lone_process_is_refused(workshop, tmp_path):
    # What `accelerate launch --cpu --num_processes 2` leaves in the environment of the one
    # process that it starts.
    trace = {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    log = tmp_path / "log"
    process = cli_runs.start(command(workshop, tmp_path / "run", 4), log, environment=trace)
    process.join(60)
    assert process.exitcode == 2
    assert "several processes and started one" in log.read_text()
    assert not (tmp_path / "run").exists()


def test_processes_stop_together_and_go_on_to_the_bit(workshop, tmp_path):
    whole, part, log = tmp_path / "whole", tmp_path / "part", tmp_path / "log"
    assert run_together(command(workshop, whole, 4, *DROPOUT), log) == [0, 0], log.read_text()
    arguments = command(workshop, part, 4, *DROPOUT)
    # Only the second process hears the signal.
    codes = run_together(arguments, log, fault=Fault(signal.SIGTERM, update=2, rank=1))
    assert codes == [130, 130], log.read_text()
    (checkpoint,) = part.glob("checkpoint-*")
    assert {path.name for path in checkpoint.glob("rng_state*")} == {
        "rng_state_0.pth",
        "rng_state_1.pth",
    }
    assert run_together([*arguments, "--resume"], log) == [0, 0], log.read_text()
    assert f"resuming from {checkpoint.name}\n" in log.read_text()
    assert weights(part) == weights(whole)
    assert logged(part) == logged(whole)


def test_resuming_with_fewer_processes_sees_the_same_pairs(workshop, tmp_path):
    whole, part, log = tmp_path / "whole", tmp_path / "part", tmp_path / "log"
    assert run_alone(command(workshop, whole, 8), log) == 0, log.read_text()
    arguments = command(workshop, part, 4)
    codes = run_together(arguments, log, fault=Fault(signal.SIGTERM, update=4))
    assert codes == [130, 130], log.read_text()
    assert run_alone([*command(workshop, part, 8), "--resume"], log) == 0, log.read_text()
    # Without dropout there are no random numbers to lose.
    assert losses(part) == pytest.approx(losses(whole), abs=2e-5)
    assert largest_difference(part, whole) < 2e-4


def test_one_ctrl_c_that_comes_twice_is_one(workshop, tmp_path):
    # The terminal sends it to every process, and torchrun passes its own on.
    run, log = tmp_path / "run", tmp_path / "log"
    codes = run_together(command(workshop, run, 4), log, fault=Fault(signal.SIGINT, 2, times=2))
    assert codes == [130, 130], log.read_text()
    assert [path.name for path in run.glob("checkpoint-*")] == ["checkpoint-2"]


def launched(words: list[str], arguments: list[str], **more) -> subprocess.Popen:
    """Starts train_hf.py by a launcher, as a user does."""
    return subprocess.Popen(
        [sys.executable, "-m", *words, str(ROOT / "train_hf.py"), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )


DDP_CPU = "configs/accelerate/ddp_cpu.yaml"
LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
    "accelerate": [
        "accelerate.commands.launch",
        "--config_file",
        "configs/accelerate/ddp_cpu.yaml",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_launchers_train_as_one_process_does(workshop, tmp_path, launcher):
    alone, together, log = tmp_path / "alone", tmp_path / "together", tmp_path / "log"
    assert run_alone(command(workshop, alone, 8), log) == 0, log.read_text()
    process = launched(LAUNCHERS[launcher], command(workshop, together, 4))
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert said.count("device: ") == 1  # one process speaks
    assert losses(together) == pytest.approx(losses(alone), abs=2e-5)
    assert largest_difference(together, alone) < 2e-4


@pytest.mark.slow
def test_accelerates_own_way_to_one_process_is_refused(workshop, tmp_path):
    words = ["accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    process = launched(words, command(workshop, tmp_path / "run", 4))
    said = process.communicate()[0]
    assert process.returncode and "several processes and started one" in said


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_torchrun_leaves_a_whole_checkpoint(workshop, tmp_path, number):
    run = tmp_path / "run"
    arguments = command(workshop, run, 4, "--max_steps", "100000", "--logging_steps", "5")
    # A session of its own: Ctrl-C in a terminal reaches torchrun and its processes alike.
    process = launched(LAUNCHERS["torchrun"], arguments, start_new_session=True)
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("step 5/"):
            os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(
                number
            )
    process.wait()
    (checkpoint,) = run.glob("checkpoint-*")
    assert "stopping: writing a checkpoint" in said
    assert not (run / "metrics.json").exists()
    step = int(checkpoint.name.split("-")[1])
    log = tmp_path / "log"
    resumed = [*command(workshop, run, 8, "--max_steps", str(step + 2)), "--resume"]
    assert run_alone(resumed, log) == 0, log.read_text()


def test_a_sharded_update_equals_a_whole_one(tmp_path):
    result = tmp_path / "result.json"
    assert cli_runs.call_together(compare_sharded_with_whole, result) == [0, 0]
    found = json.loads(result.read_text(encoding="utf-8"))
    assert found["layers"] == 5 and found["tied"]
    assert found["local_rows"] == 49  # of 97: the processes share the table
    assert found["loss_difference"] < 1e-6
    assert found["weight_difference"] < 2e-6 < 1e-2 < found["moved"]
