"""Which candidates to deploy: the problem of DESIGN.md section 4 as a mixed-integer programme, solved by HiGHS."""

from stackplan.solve.lexicographic import solve

__all__ = ["solve"]
