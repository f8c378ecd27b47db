/* SPDX-License-Identifier: MIT
 *
 * Each call that may fail clears errno first and keeps it until it is
 * described, because it tells a full disk from a broken one where sqlite's code
 * does not.
 */
#include "store/sql.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the system said in the last call. sqlite keeps it too, but not that of
 * a failed COMMIT (before 3.41), so errno is cleared before each call here. */
static int failure_errno(sqlite3 *db)
{
    if (errno != 0)
        return errno;
    return db != NULL ? sqlite3_system_errno(db) : 0;
}

static enum error io_error(sqlite3 *db, int rc)
{
    int no = failure_errno(db);

    if (rc == SQLITE_IOERR_NOMEM)
        return ERR_NO_MEMORY;
    if (no == ENOSPC || no == EDQUOT || no == EFBIG)
        return ERR_NO_SPACE;
    return ERR_IO;
}

enum error sql_error(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return OK;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_IN_USE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    /* Constant SQL fails to compile only if the tables are not ours. */
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
        return ERR_CORRUPT;
    case SQLITE_TOOBIG:
        return ERR_TOO_LARGE;
    default:
        return io_error(db, rc);
    }
}

/* errno belongs to the message only with these two codes. */
static int describing_errno(sqlite3 *db)
{
    int rc = sqlite3_errcode(db) & 0xff;

    return rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN ? failure_errno(db) : 0;
}

void sql_describe(sqlite3 *db, char *text, size_t size)
{
    int no = db != NULL ? describing_errno(db) : 0;

    if (db == NULL)
        snprintf(text, size, "%s", error_text(ERR_NO_MEMORY));
    else if (no != 0)
        snprintf(text, size, "%s (%s)", sqlite3_errmsg(db), strerror(no));
    else
        snprintf(text, size, "%s", sqlite3_errmsg(db));
}

enum error sql_exec(sqlite3 *db, const char *sql)
{
    errno = 0;
    return sql_error(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int sql_step(sqlite3_stmt *st)
{
    errno = 0;
    return sqlite3_step(st);
}

/* Keeps errno, which a description may still need. */
static void make_ready(sqlite3_stmt *st)
{
    int no = errno;

    sqlite3_reset(st);
    errno = no;
}

enum error sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    errno = 0;
    return sql_error(
        db,
        sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL));
}

enum error sql_run(sqlite3_stmt *st)
{
    int rc = sql_step(st);
    enum error err = sql_error(sqlite3_db_handle(st), rc);

    make_ready(st);
    return err;
}

enum error sql_run_int(sqlite3_stmt *st, int64_t *out)
{
    int rc = sql_step(st);
    enum error err = sql_error(sqlite3_db_handle(st), rc);

    if (err == OK)
        *out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    make_ready(st);
    return err;
}

enum error sql_get_int(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    enum error err = sql_prepare(db, sql, &st);

    if (err == OK)
        err = sql_run_int(st, out);
    sqlite3_finalize(st);
    return err;
}
