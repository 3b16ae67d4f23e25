"""Where a figure comes from."""

import os
import platform

import pytest

from core import provenance


def test_a_machine_is_told_by_cores_processor_and_torch() -> None:
    told = provenance.machine()
    assert told.startswith(f"{os.cpu_count()} CPU cores, {platform.machine()}")
    assert ", torch " in told


def test_without_a_name_the_processor_is_its_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance.Path, "read_text", lambda *_, **__: "flags : fpu\n")
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert provenance.processor() == platform.machine()
    monkeypatch.setattr(platform, "processor", lambda: "A Processor 9")
    assert provenance.processor() == f"{platform.machine()}, A Processor 9"
