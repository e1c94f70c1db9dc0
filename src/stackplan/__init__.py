"""stackplan: the best set of local models for a machine, proved to fit, and everything needed to run it.

The pipeline, each stage a module or package of that name::

    detect -> catalog -> estimate -> options -> solve -> plan -> render -> download -> verify
     host     models     bytes,      Option|    Choice|  Plan    {path:    files on    plan against
              roles      speed       Refusal    NoPlan           text}     disk        the living system

This module imports nothing, so that ``stackplan --version`` costs nothing.
"""

__version__ = "0.1.0"
