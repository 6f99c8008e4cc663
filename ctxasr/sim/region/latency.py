"""What takes how long in a simulated region."""

from __future__ import annotations

from dataclasses import dataclass, field

from ctxasr.sim.quantiles import Quantiles


@dataclass(frozen=True, slots=True)
class Latencies:
    """What takes how long.

    Of DynamoDB AWS says 'single-digit milliseconds', of which the medians here are the middle. The
    p99s, KMS and encoder are assumptions of ours, to be replaced by `Quantiles.fit` of a trace.
    """

    write: Quantiles = field(default_factory=lambda: Quantiles.lognormal(5.0, 20.0))
    read: Quantiles = field(default_factory=lambda: Quantiles.lognormal(3.5, 15.0))
    kms: Quantiles = field(default_factory=lambda: Quantiles.lognormal(8.0, 40.0))
    replication: Quantiles = field(default_factory=lambda: Quantiles.lognormal(10.0, 200.0))
    """From the leader to a follower."""
    encoder: Quantiles = field(default_factory=lambda: Quantiles.lognormal(60.0, 250.0))
    aligner: Quantiles = field(default_factory=lambda: Quantiles.lognormal(4.0, 20.0))

    @classmethod
    def none(cls) -> Latencies:
        """Nothing takes any time."""
        at_once = Quantiles.always(0.0)
        return cls(at_once, at_once, at_once, at_once, at_once, at_once)
