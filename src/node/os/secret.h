/* SPDX-License-Identifier: MIT
 *
 * Files that hold a private key: mode 0600, written whole, and once unless
 * the key is one that is renewed.
 */
#ifndef WARREN_NODE_OS_SECRET_H
#define WARREN_NODE_OS_SECRET_H

#include "base/error.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#define SECRET_MAX      8192 /* bytes of a secret */
#define SECRET_NAME_MAX 1100 /* of a path, with what is put behind it */

/* `dirfd` as of openat: a directory, or AT_FDCWD. On failure `why` gets a
 * sentence and the caller's buffer does not change. */

/* Reads exactly `len` bytes. ERR_NOT_FOUND; ERR_CORRUPT: another length;
 * ERR_IO: cannot be read, not a regular file, or others may read it. */
enum error secret_read(int dirfd, const char *name, uint8_t *secret, size_t len,
                       struct text *why);

/* The same for one of `min` to `max` bytes; `len` is what it has. */
enum error secret_read_some(int dirfd, const char *name, uint8_t *secret,
                            size_t min, size_t max, size_t *len,
                            struct text *why);

/* After it returns, the file is on disk whole, or there is none. ERR_IN_USE:
 * it exists and is left alone; ERR_NO_SPACE; ERR_TOO_LARGE (the name);
 * ERR_IO. */
enum error secret_create(int dirfd, const char *name, const uint8_t *secret,
                         size_t len, struct text *why);

/* The same in the place of what was there, which is wiped; on a failure that
 * stays. */
enum error secret_replace(int dirfd, const char *name, const uint8_t *secret,
                          size_t len, struct text *why);

/* Removes it and wipes it, as far as a file system writes where it wrote
 * before. OK when there is none. ERR_IO. */
enum error secret_remove(int dirfd, const char *name, struct text *why);

#endif
