/* What a plain YAML scalar is taken for. */
#ifndef GITGATE_CONFIG_YAML_SCALAR_H
#define GITGATE_CONFIG_YAML_SCALAR_H

#include "config/yaml_tree.h"

/*
 * By the core schema of YAML 1.2.2 (section 10.3.2); whatever YAML 1.1's
 * types would read as something else than text (yes, 1_000, 12:30,
 * 2026-01-01) is NODE_OTHER, so that no reader disagrees with ours.
 */
enum node_kind yaml_scalar_kind(const char *s);

#endif
