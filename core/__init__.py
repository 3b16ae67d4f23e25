"""The science: tensors in, tensors out. Only ``worker`` and ``simulate`` know the storage."""

import os

# Threads of OpenMP that spin while they wait for each other starve as soon as a browser wants a core:
# sixteen seconds a training step instead of two, measured on two busy cores. Even a short spin
# (GOMP_SPINCOUNT=3000) that saves a fifth on a quiet machine costs a quarter as soon as one of two cores is
# busy, and saves a twentieth beside a page that draws. PyTorch's OpenMP reads the variable when it is
# loaded, so it is set before any module here imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
