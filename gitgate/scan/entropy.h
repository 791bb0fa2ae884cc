#ifndef GITGATE_SCAN_ENTROPY_H
#define GITGATE_SCAN_ENTROPY_H

#include "base/view.h"

/*
 * Shannon entropy in bits, as gitleaks counts it: over code points (a byte
 * that is no UTF-8 counts as U+FFFD), but with the length in bytes. 0 for
 * nothing.
 */
double entropy_of(struct view v);

#endif
