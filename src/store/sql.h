/* SPDX-License-Identifier: MIT
 *
 * The little that this floor needs around sqlite3: result codes as enum
 * error, constant SQL, prepared statements. No text here is built from data.
 */
#ifndef WARREN_STORE_SQL_H
#define WARREN_STORE_SQL_H

#include "base/error.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* What a result code of `db` means. `db` may be NULL.
 * ERR_NO_SPACE full disk, quota or file size limit; ERR_IO any other trouble
 * with the file; ERR_CORRUPT not a database, a damaged one, or one without
 * the tables that it must have; ERR_IN_USE locked; ERR_NO_MEMORY. */
enum error sql_error(sqlite3 *db, int rc);

/* The last failure of `db` as a sentence fragment, with what the operating
 * system said of it. */
void sql_describe(sqlite3 *db, char *text, size_t size);

/* Runs constant statements whose rows do not matter. Errors of sql_error. */
enum error sql_exec(sqlite3 *db, const char *sql);

/* The one integer that a constant query gives. */
enum error sql_get_int(sqlite3 *db, const char *sql, int64_t *out);

/* A statement that will be used again and again. */
enum error sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);

/* sqlite3_step; sql_error and sql_describe may be asked about it until the
 * next call. */
int sql_step(sqlite3_stmt *st);

/* Runs a prepared statement that gives no rows, and makes it ready again. */
enum error sql_run(sqlite3_stmt *st);

/* Runs a prepared query for one integer; 0 when it gives no row. */
enum error sql_run_int(sqlite3_stmt *st, int64_t *out);

#endif
