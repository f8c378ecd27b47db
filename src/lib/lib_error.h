/* SPDX-License-Identifier: MIT
 *
 * Between our errors and those of libwarren (enum warren_error).
 */
#ifndef WARREN_LIB_LIB_ERROR_H
#define WARREN_LIB_LIB_ERROR_H

#include "base/error.h"

/* What a program hears. */
int lib_error_of(enum error e);
/* What we make of what a program says; any number. */
enum error lib_error_from(int error);
const char *lib_error_text(int error);

#endif
