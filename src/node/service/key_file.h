/* SPDX-License-Identifier: MIT
 *
 * What a hidden service is known by, in a file of its own:
 * DATA_DIR/services/NAME.key, mode 0600 in a directory of mode 0700. Whoever
 * has it is the service. The file is one line of text, which is also what
 * `service key export` prints and `key import` takes:
 *
 *   "warren-service-1." hex(body | checksum 8)
 *   body     = msgpack [secret 32, string or nil, [[label, secret 32], ...],
 *                       by itself]
 *   checksum = BLAKE2b-64(body, key: "warren service file")
 *
 * `secret` is the seed of a service with a key, or the member secret of a
 * string. The pairs are access secrets, each with a label for people: when
 * there are any, only who has one finds the service. One that is `by itself`
 * runs without a section in the configuration, too.
 *
 * Errors come with a sentence in `why`, and leave what is on disk as it is.
 */
#ifndef WARREN_NODE_SERVICE_KEY_FILE_H
#define WARREN_NODE_SERVICE_KEY_FILE_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"
#include "tunnel/service/service.h"

#include <stdbool.h>
#include <stdint.h>

#define SERVICE_NAME_SIZE 32 /* with the terminator */

struct key_access {
    char label[SERVICE_NAME_SIZE];
    uint8_t secret[32];
};

/* Secret: wiped by key_file_wipe. */
struct key_file {
    uint8_t secret[32];
    uint8_t string_len; /* 0: a service with a key */
    char string[SERVICE_STRING_MAX];
    bool by_itself;
    unsigned access_count;
    struct key_access access[SERVICE_ACCESS_MAX];
};

/* Names of services and labels: 1 to 31 letters, digits, '-', '_' and '.',
 * the first a letter or a digit. ERR_SYNTAX. */
enum error service_name_check(const char *name, struct text *why);

/* A fresh one, of a string if that is not empty (else at most 255 bytes). */
void key_file_make(struct key_file *key, struct bytes string);
void key_file_wipe(struct key_file *key);

/* ERR_NOT_FOUND: no such file; ERR_CORRUPT: torn or changed; ERR_UNSUPPORTED:
 * of another version; ERR_SYNTAX: the name; ERR_IO: cannot be read, others may
 * read it, or it belongs to somebody else. */
enum error key_file_read(const char *data_dir, const char *name,
                         struct key_file *out, struct text *why);
/* ERR_IN_USE: there is one; and errors of secret_create. */
enum error key_file_create(const char *data_dir, const char *name,
                           const struct key_file *key, struct text *why);
enum error key_file_replace(const char *data_dir, const char *name,
                            const struct key_file *key, struct text *why);
/* Wiped, too. OK when there is none. */
enum error key_file_remove(const char *data_dir, const char *name,
                           struct text *why);
/* Names of all that are there, in no order, at most `max`; how many there are.
 * What else lies there is left out. */
unsigned key_file_list(const char *data_dir, char (*names)[SERVICE_NAME_SIZE],
                       unsigned max);

/* The line, without a line end. `out` holds a secret then. */
void key_file_export(const struct key_file *key, struct text *out);
/* Blanks around it are fine. ERR_CORRUPT, ERR_UNSUPPORTED. */
enum error key_file_import(struct bytes text, struct key_file *out,
                           struct text *why);

/* A fresh secret under a label that is new: ERR_IN_USE, ERR_FULL, ERR_SYNTAX;
 * ERR_UNSUPPORTED: a string has no access secrets. */
enum error key_file_allow(struct key_file *key, const char *label,
                          struct text *why);
/* ERR_NOT_FOUND. */
enum error key_file_disallow(struct key_file *key, const char *label,
                             struct text *why);

#endif
