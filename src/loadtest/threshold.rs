//! What a run must keep to: a figure, a comparison, a bound.
