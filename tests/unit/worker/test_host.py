"""Telling the living from the dead, by no clock."""

from __future__ import annotations

import os

import psutil
import pytest

from aios.worker import host


def test_this_process_lives_and_one_born_at_another_time_does_not():
    assert host.is_alive(os.getpid(), host.birth(os.getpid()))
    assert not host.is_alive(os.getpid(), host.birth(os.getpid()) + 1)


def test_a_pid_that_nobody_has_is_dead():
    nobody = max(psutil.pids()) + 100_000
    assert not host.is_alive(nobody, 1.0)
    with pytest.raises(psutil.NoSuchProcess):
        host.birth(nobody)


def test_a_hosts_name_tells_its_boot_and_its_namespace():
    assert host.name() == host.name()
    assert host.name().count("/") >= 1
