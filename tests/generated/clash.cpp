// Two models of one name: the second would be taken for the first.
#include "a/mlp.hxx"
#include "b/mlp.hxx"
