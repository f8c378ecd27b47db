/* SPDX-License-Identifier: MIT
 *
 * Lines to stderr, never waiting for whoever reads it. A pipe that is full, a
 * terminal that was stopped, a socket whose reader sleeps: the line is lost,
 * and the caller counts it. Nothing changes for the others that write to the
 * same pipe or terminal, as setting O_NONBLOCK would: that is a mark of the
 * open file, which the shell and its other children share.
 */
#ifndef WARREN_NODE_LOG_LOG_STDERR_H
#define WARREN_NODE_LOG_LOG_STDERR_H

#include "base/bytes.h"
#include "base/text.h"

#include <stdbool.h>
#include <sys/stat.h>

struct log_stderr {
    int fd;           /* what stands for stderr; STDERR_FILENO but in tests */
    int own;          /* the same pipe or terminal, opened anew; -1: none */
    struct stat seen; /* what `fd` was when `own` was opened */
    struct text rest; /* of a line that went out in part */
};

void log_stderr_init(struct log_stderr *s, int fd);
void log_stderr_deinit(struct log_stderr *s);

/* Writes a line, which ends in a newline; false when it was lost. */
bool log_stderr_write(struct log_stderr *s, struct bytes line);

/* Whether journald reads it: it takes a line's level from "<N>" before it. */
bool log_stderr_is_journal(const struct log_stderr *s);

#endif
