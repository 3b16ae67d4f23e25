"""Hides torchmetrics from processes that tests start: no person has it, and Fabric would import it."""

raise ImportError("torchmetrics is for the tests alone.")
