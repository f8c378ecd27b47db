/* SPDX-License-Identifier: MIT
 *
 * The versions of the schema. The file's version is its `user_version`, which
 * is the number of migrations that it has been through. A released migration
 * is never edited: a new one goes to the end of the table.
 */
#ifndef WARREN_STORE_SCHEMA_H
#define WARREN_STORE_SCHEMA_H

#include "base/error.h"

#include <sqlite3.h>

/* "wrrn", in the header of each file of ours. */
#define SCHEMA_APPLICATION_ID 0x7772726e

/* Each text ends by setting user_version to its place in the table, from 1. */
extern const char *const schema_migrations[];
extern const int schema_version; /* their number */

/* Fails when a table or a column of the newest version is missing. */
extern const char *const schema_probe;

/* Runs the migrations from `version` up to `target`, each in a transaction of
 * its own; a failed one leaves the file at the version before it. Errors of
 * sql_error. */
enum error schema_migrate(sqlite3 *db, const char *const *migrations,
                          int version, int target);

#endif
