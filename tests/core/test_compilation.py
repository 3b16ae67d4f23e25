from typing import Any

import torch
import torch._dynamo

from core.compilation import COMPILE_FROM_STEPS, compile_in_place, pays
from tests.core.small_network import seeded, small_network


def test_only_a_long_training_on_cuda_is_compiled() -> None:
    assert pays(torch.device("cuda"), COMPILE_FROM_STEPS)
    assert not pays(torch.device("cuda"), COMPILE_FROM_STEPS - 1)
    assert not pays(torch.device("cpu"), 10**6)


def test_a_network_that_cannot_be_compiled_runs_as_it_is() -> None:
    calls = []

    def failing(graph: Any, inputs: Any) -> Any:
        calls.append(graph)
        raise RuntimeError("no compiler")

    plain, network = small_network().eval(), small_network().eval()
    names = list(network.state_dict())
    compile_in_place(network, backend=failing)  # type: ignore[arg-type]
    images = torch.rand(2, 3, 32, 32, generator=seeded())
    with torch.no_grad():
        found = network(images, samples=2, generator=seeded(1)).logits
        expected = plain(images, samples=2, generator=seeded(1)).logits
    torch._dynamo.reset()
    assert calls
    assert torch.equal(found, expected)
    assert list(network.state_dict()) == names
