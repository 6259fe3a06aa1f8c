"""Checks of properties that gradients cannot show: random draws, densities, saturation, API contracts, the checker."""

from __future__ import annotations

from scratchvae.verification.checks.api_contracts import API_CONTRACTS
from scratchvae.verification.checks.check import Check, Measurement, failure_messages
from scratchvae.verification.checks.densities import DENSITIES
from scratchvae.verification.checks.injected_errors import INJECTED_ERRORS
from scratchvae.verification.checks.saturation import SATURATION
from scratchvae.verification.checks.statistics import STATISTICS

__all__ = ["CHECKS", "Check", "Measurement", "failure_messages"]

CHECKS: dict[str, Check] = {
    check.name: check for check in (*STATISTICS, *DENSITIES, *SATURATION, *API_CONTRACTS, *INJECTED_ERRORS)
}
