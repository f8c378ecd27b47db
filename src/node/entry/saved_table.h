/* SPDX-License-Identifier: MIT
 *
 * Tables of the mainline DHT that other programs have saved, as addresses to
 * ask. A file is told by what is in it, whatever its name:
 *
 *   - dht.dat of Transmission: a dictionary in bencode with `nodes` and
 *     `nodes6`, each one string of compact addresses (6 and 18 bytes)
 *   - the session state of libtorrent: the same keys, each a list of such
 *     strings, in the dictionary `dht state`; older ones have them at the top
 *   - dht.dat and dht6.dat of aria2, versions 2 and 3: a head of 56 bytes and
 *     entries of 56 bytes each
 *
 * Files come from outside: sizes and counts are bounded, and nothing in them is
 * believed but that somebody may be at an address.
 */
#ifndef WARREN_NODE_ENTRY_SAVED_TABLE_H
#define WARREN_NODE_ENTRY_SAVED_TABLE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/text.h"
#include "node/config/config.h"

#include <stddef.h>

#define SAVED_TABLE_BYTES (1024 * 1024) /* of a file */
#define SAVED_TABLE_NODES 2048          /* of all files; more are left out */

struct saved_table {
    size_t count, room;
    struct endpoint *at; /* each once, and usable */
};

/* All zero is empty, too. */
void saved_table_deinit(struct saved_table *t);
/* Into an empty one. ERR_NO_MEMORY: `to` stays empty. */
enum error saved_table_copy(const struct saved_table *from,
                            struct saved_table *to);

/* Adds the nodes of a file's bytes. ERR_SYNTAX: `why` gets what is wrong, to
 * stand behind the file's name ("is ..."), and `t` is as before;
 * ERR_NO_MEMORY. */
enum error saved_table_read(struct saved_table *t, struct bytes file,
                            struct text *why);

/* The same of the file at `path`. ERR_IO, ERR_SYNTAX, ERR_NO_MEMORY: `why`,
 * which is empty before, gets a sentence that names it; after OK what it has
 * means nothing. */
enum error saved_table_load(struct saved_table *t, const char *path,
                            struct text *why);

/* The same of all bootstrap_files. A file that is missing or cannot be read is
 * left out: `unread` gets a sentence that names all of these. One that is no
 * saved table is a mistake. ERR_SYNTAX, ERR_NO_MEMORY: `why` gets a sentence.
 * Both are empty before, and may be the same. */
enum error saved_table_load_all(struct saved_table *t,
                                const struct config_files *files,
                                struct text *unread, struct text *why);

#endif
