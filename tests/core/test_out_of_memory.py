import errno

import pytest
import torch

from core.out_of_memory import Attempt, is_out_of_memory, next_attempt

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_batches_are_halved_and_then_the_cpu_begins_anew() -> None:
    attempt = Attempt(6, CUDA)
    seen = []
    while (following := next_attempt(attempt, 6)) is not None:
        attempt, sentence = following
        assert sentence.startswith("Out of memory on")
        seen.append((attempt.batch_size, attempt.device.type))
    assert seen == [(3, "cuda"), (1, "cuda"), (6, "cpu"), (3, "cpu"), (1, "cpu")]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("std::bad_alloc"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_told_from_other_errors(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected
