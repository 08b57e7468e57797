"""What steers a PPO run from step to step: the price of KL, and when to end. Pure functions."""

from collections.abc import Mapping

from trainer.config import PpoConfig

MAX_ERROR = 0.2


def adapted_kl_coef(kl_coef: float, kl: float, target: float, horizon: int, rollouts: int) -> float:
    """Return the price of KL after so many rollouts of mean KL kl, in nats a completion.

    Proportional control in log space, its error bounded (Ziegler 2019, section 2.2).
    """
    error = min(max(kl / target - 1, -MAX_ERROR), MAX_ERROR)
    return kl_coef * (1 + error * rollouts / horizon)


def reason_to_stop(stats: Mapping[str, float], first_length: float, config: PpoConfig) -> str:
    """Return which limit of the config a step's stats have left, "" for none; 0 is no limit."""
    drift = stats["length"] / first_length
    if config.max_kl and stats["kl"] > config.max_kl:
        return f"KL {stats['kl']:.1f} passed max_kl {config.max_kl:g}"
    if config.max_length_drift and max(drift, 1 / drift) > config.max_length_drift:
        return f"length {stats['length']:.1f} passed max_length_drift, {drift:.2f} times the first step's"
    if stats["entropy"] < config.min_entropy:
        return f"entropy {stats['entropy']:.3f} fell below min_entropy {config.min_entropy:g}"
    if stats["eos_rate"] < config.min_eos_rate:
        return f"EOS rate {stats['eos_rate']:.2f} fell below min_eos_rate {config.min_eos_rate:g}"
    return ""
