"""Run all checks of scikit-learn on an estimator: python check_estimator.py VAEEmbedding max_iter=20.

It needs a process of its own, because scikit-learn reads SCIPY_ARRAY_API when it is imported.
"""

import sys
import warnings
from ast import literal_eval

import scratchvae as sv

warnings.filterwarnings("ignore", message=".* does not inherit from")

if __name__ == "__main__":
    from sklearn.utils.estimator_checks import check_estimator

    name, *settings = sys.argv[1:]
    parameters = {key: literal_eval(value) for key, _, value in (setting.partition("=") for setting in settings)}
    results = check_estimator(getattr(sv, name)(**parameters), on_skip=None)
    print(len(results), {result["status"] for result in results})
