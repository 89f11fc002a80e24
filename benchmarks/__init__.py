"""Roads from PostgreSQL to a DataFrame, side by side: ``python -m benchmarks [case …] [--rounds N] [--quick]``.

Every measurement is a fresh process; rounds are interleaved, so that a noisy moment meets all roads alike.
"""
