"""A classifier compiled with all that its acquisition function asks for: class weights, and target samples."""

from __future__ import annotations

from collections.abc import Callable

from query_server.acquisition import HeadCondition, acquisition_function, class_prior_weights, target_count
from query_server.acquisition.function import AcquisitionFunction
from query_server.errors import acquisition_unsupported
from query_server.selection.ports import Classifier, Classifiers, Float32, Int64


def compiled(
    classifiers: Classifiers,
    classifier_id: str,
    function: AcquisitionFunction,
    *,
    class_prior_weight: float,
    label_counts: Int64 | None,
    targets: Callable[[int], Float32],
) -> Classifier:
    """Compile a classifier.

    Args:
        classifiers: The uploaded ones.
        classifier_id: One of them.
        function: Its score.
        class_prior_weight: Exponent of the class prior; 0 leaves scores as they are.
        label_counts: Labels so far of each class int64 [C]; None where there is no campaign.
        targets: Returns model inputs of that many samples the function is to ask about; called only if it does.

    Raises:
        DowserError: CLASSIFIER_NOT_FOUND or ACQUISITION_UNSUPPORTED.
    """
    condition = condition_of(
        classifiers,
        classifier_id,
        function,
        class_prior_weight=class_prior_weight,
        label_counts=label_counts,
        targets=targets,
    )
    return classifiers.compiled(classifier_id, function, condition)


def condition_of(
    classifiers: Classifiers,
    classifier_id: str,
    function: AcquisitionFunction,
    *,
    class_prior_weight: float = 0.0,
    label_counts: Int64 | None = None,
    targets: Callable[[int], Float32],
) -> HeadCondition | None:
    """Return what a function's head depends on; arguments and errors as in ``compiled``."""
    weights = None
    if class_prior_weight and label_counts is not None:
        weights = class_prior_weights(label_counts, class_prior_weight)
    passes = None
    if function.needs_targets:
        info = classifiers.info(classifier_id)
        if info.passes < 2:
            raise acquisition_unsupported(
                function.name,
                f"it compares stochastic passes and the classifier makes {info.passes or 'none'}; export it with at "
                "least 2 passes (Monte Carlo dropout) or as an ensemble",
                metadata={"passes": str(info.passes)},
            )
        # Whatever reads the passes compiles them; its own scores are of no account here.
        plain = classifiers.compiled(classifier_id, acquisition_function("bald"), None)
        given = targets(target_count(plain.classes))
        if not len(given):
            raise acquisition_unsupported(
                function.name,
                "it asks the classifier about samples of the pool, and all of them were removed; add some, or use "
                "another function",
            )
        passes = plain.score(given).passes
    if weights is None and passes is None:
        return None
    return HeadCondition(class_weights=weights, targets=passes)
