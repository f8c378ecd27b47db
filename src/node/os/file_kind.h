/* SPDX-License-Identifier: MIT
 *
 * What stands in the place of a file, for errors that name the true cause.
 */
#ifndef WARREN_NODE_OS_FILE_KIND_H
#define WARREN_NODE_OS_FILE_KIND_H

#include "base/text.h"

#include <stdbool.h>
#include <sys/stat.h>

/* "a directory", "a FIFO", ... */
const char *file_kind(mode_t mode);

/* When `name` is a link to nothing says so, and what to do: without a look at
 * the link itself it is as if there were no such file, which then cannot be
 * made. False, and nothing said, otherwise. */
bool file_explain_dangling(int dirfd, const char *name, struct text *why);

#endif
