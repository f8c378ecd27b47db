/* SPDX-License-Identifier: MIT
 *
 * The data directory: created with mode 0700, held by one daemon at a time
 * through a lock on the file `lock` in it, which names the holder's pid.
 */
#ifndef WARREN_NODE_OS_DATADIR_H
#define WARREN_NODE_OS_DATADIR_H

#include "base/error.h"
#include "base/text.h"

struct datadir {
    int fd;      /* of the directory, for the *at() calls */
    int lock_fd; /* the lock lives as long as this is open */
};

/* Creates what is missing of `path` and takes the lock. On failure `why` gets
 * a sentence: ERR_IN_USE (names the pid), ERR_IO (cannot be created, not
 * writable, no directory, writable by others, another user's while we are
 * root, not empty and without anything of a node's, or its lock is no file),
 * ERR_NO_SPACE. */
enum error datadir_init(struct datadir *dir, const char *path,
                        struct text *why);
/* Lets another daemon have it. The lock file stays: removing it would let two
 * daemons lock two files of one name. */
void datadir_deinit(struct datadir *dir);

#endif
