from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class AcquisitionFunction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACQUISITION_FUNCTION_UNSPECIFIED: _ClassVar[AcquisitionFunction]
    ACQUISITION_FUNCTION_MAXIMUM_ENTROPY: _ClassVar[AcquisitionFunction]
    ACQUISITION_FUNCTION_LEAST_CONFIDENCE: _ClassVar[AcquisitionFunction]
    ACQUISITION_FUNCTION_MARGIN: _ClassVar[AcquisitionFunction]
    ACQUISITION_FUNCTION_MINIMUM_DISTANCE: _ClassVar[AcquisitionFunction]
    ACQUISITION_FUNCTION_VARIATION_RATIO: _ClassVar[AcquisitionFunction]
    ACQUISITION_FUNCTION_BALD: _ClassVar[AcquisitionFunction]
    ACQUISITION_FUNCTION_MEAN_STANDARD_DEVIATION: _ClassVar[AcquisitionFunction]
    ACQUISITION_FUNCTION_EPIG: _ClassVar[AcquisitionFunction]
    ACQUISITION_FUNCTION_OWN_SCORE: _ClassVar[AcquisitionFunction]

class CandidateSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CANDIDATE_SOURCE_UNSPECIFIED: _ClassVar[CandidateSource]
    CANDIDATE_SOURCE_SYNTHESIS: _ClassVar[CandidateSource]
    CANDIDATE_SOURCE_RANDOM: _ClassVar[CandidateSource]
    CANDIDATE_SOURCE_EXHAUSTIVE: _ClassVar[CandidateSource]
    CANDIDATE_SOURCE_LABELED_NEIGHBORS: _ClassVar[CandidateSource]
    CANDIDATE_SOURCE_CLASS_ANCHORS: _ClassVar[CandidateSource]
    CANDIDATE_SOURCE_CARRY_OVER: _ClassVar[CandidateSource]
    CANDIDATE_SOURCE_CLIMB: _ClassVar[CandidateSource]
    CANDIDATE_SOURCE_SURROGATE: _ClassVar[CandidateSource]
    CANDIDATE_SOURCE_SEALS: _ClassVar[CandidateSource]
ACQUISITION_FUNCTION_UNSPECIFIED: AcquisitionFunction
ACQUISITION_FUNCTION_MAXIMUM_ENTROPY: AcquisitionFunction
ACQUISITION_FUNCTION_LEAST_CONFIDENCE: AcquisitionFunction
ACQUISITION_FUNCTION_MARGIN: AcquisitionFunction
ACQUISITION_FUNCTION_MINIMUM_DISTANCE: AcquisitionFunction
ACQUISITION_FUNCTION_VARIATION_RATIO: AcquisitionFunction
ACQUISITION_FUNCTION_BALD: AcquisitionFunction
ACQUISITION_FUNCTION_MEAN_STANDARD_DEVIATION: AcquisitionFunction
ACQUISITION_FUNCTION_EPIG: AcquisitionFunction
ACQUISITION_FUNCTION_OWN_SCORE: AcquisitionFunction
CANDIDATE_SOURCE_UNSPECIFIED: CandidateSource
CANDIDATE_SOURCE_SYNTHESIS: CandidateSource
CANDIDATE_SOURCE_RANDOM: CandidateSource
CANDIDATE_SOURCE_EXHAUSTIVE: CandidateSource
CANDIDATE_SOURCE_LABELED_NEIGHBORS: CandidateSource
CANDIDATE_SOURCE_CLASS_ANCHORS: CandidateSource
CANDIDATE_SOURCE_CARRY_OVER: CandidateSource
CANDIDATE_SOURCE_CLIMB: CandidateSource
CANDIDATE_SOURCE_SURROGATE: CandidateSource
CANDIDATE_SOURCE_SEALS: CandidateSource
