"""How much is measured."""

from dataclasses import dataclass, field

from .timing import Budget


@dataclass(frozen=True)
class Extent:
    """Everything that a full run and a quick one differ in."""

    quick: bool = False
    threads: tuple[int, ...] = (1, 2)
    tokens: tuple[int, ...] = (8, 32, 128, 512)
    base_tokens: tuple[int, ...] = (8, 32, 128)
    batch: int = 8
    steps: int = 50
    most_steps: int = 200
    """Where the search for the fewest nodes gives up."""
    budget: Budget = field(default_factory=Budget)
    choice_seconds: float = 0.3
    """For each variant that is tried."""

    growth_tokens: int = 32
    growth_layers: tuple[int, ...] = (2, 4, 6, 12)
    growth_steps: tuple[int, ...] = (8, 16, 32, 64, 128)

    clients: tuple[int, ...] = (1, 8, 32)
    load_seconds: tuple[int, ...] = (10, 15, 30)
    """By number of clients: a slow server must answer each of them several times."""
    load_rounds: int = 3
    cached_clients: tuple[int, ...] = (1, 8, 32)
    cached_seconds: int = 8
    cached_rounds: int = 5


FULL = Extent()
QUICK = Extent(
    quick=True,
    threads=(1,),
    tokens=(8, 16),
    base_tokens=(8,),
    budget=Budget(seconds=1.0, least_rounds=2, most_rounds=3),
    choice_seconds=0.0,
    growth_layers=(2, 4),
    growth_steps=(8, 32),
    clients=(1, 8),
    load_seconds=(4, 12),
    load_rounds=1,
    cached_clients=(1, 8),
    cached_seconds=2,
    cached_rounds=1,
)
