/* SPDX-License-Identifier: MIT
 *
 * Opens the file in the order in which it may turn out to be unusable: can it
 * be made and written (prepare_file), is it a database (connect_file), ours and
 * not of a newer warren (check_version), sound (check_content), of the newest
 * schema (upgrade). ERR_CORRUPT from any of these means damage: the file is set
 * aside and the same steps make a fresh one (replace). `report` hears what was
 * done.
 */
#include "store/file.h"

#include "store/schema.h"
#include "store/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* locking_mode=EXCLUSIVE: one process owns the file, so the index of the WAL
 * lives in its memory. There is no -shm file to be mapped, which a full disk
 * would turn into SIGBUS or keep from being made: a store that exists opens
 * and reads on a full disk.
 * cell_size_check and trusted_schema: the file may be damaged or not ours.
 * Nothing here makes sqlite parse the schema, which a newer one may have made
 * with words that this one does not know. */
static const char *const setup_sql = "PRAGMA locking_mode = EXCLUSIVE;"
                                     "PRAGMA cell_size_check = ON;"
                                     "PRAGMA trusted_schema = OFF;"
                                     "PRAGMA temp_store = MEMORY;"
                                     "PRAGMA mmap_size = 0;";

/* A checkpoint each 256 pages (1 MiB) and a WAL that shrinks back to that. The
 * cache is small because an idle node is. */
static const char *const wal_sql = "PRAGMA journal_mode = WAL;"
                                   "PRAGMA cache_size = -512;"
                                   "PRAGMA synchronous = NORMAL;"
                                   "PRAGMA wal_autocheckpoint = 256;"
                                   "PRAGMA journal_size_limit = 1048576;"
                                   "PRAGMA secure_delete = ON;";

/* The smallest page. sqlite takes a file of one byte for an empty one. */
#define SQLITE_FILE_MIN 512

/* What the steps hand on. `path` is that of the main file. */
struct opening {
    const char *dir;
    const struct store_options *options;
    struct store_report *report;
    char path[PATH_MAX];
    sqlite3 *db;
};

/* ---- What is said ------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void say(struct opening *o,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(o->report->text, sizeof(o->report->text), format, args);
    va_end(args);
}

static enum error fail_errno(struct opening *o, const char *what,
                             const char *path)
{
    int no = errno;

    say(o, "cannot %s %.150s: %s", what, path, strerror(no));
    return no == ENOSPC || no == EDQUOT ? ERR_NO_SPACE : ERR_IO;
}

static enum error fail_sql(struct opening *o, const char *what, enum error err)
{
    char why[160];

    sql_describe(o->db, why, sizeof(why));
    say(o, "cannot %s " STORE_FILE_NAME ": %s", what, why);
    return err;
}

static enum error not_sound(struct opening *o, const char *why)
{
    say(o, STORE_FILE_NAME " is damaged: %s", why);
    return ERR_CORRUPT;
}

/* ---- The steps --------------------------------------------------------- */

/* Leaves the reason in errno. */
static bool is_writable_dir(const char *dir)
{
    struct stat st;

    if (stat(dir, &st) != 0)
        return false;
    if (S_ISDIR(st.st_mode))
        return access(dir, W_OK | X_OK) == 0;
    errno = ENOTDIR;
    return false;
}

/* Makes an empty file, so that it has the right mode, or looks at the one
 * that is there. */
static enum error prepare_file(struct opening *o, off_t *size)
{
    struct stat st;
    int fd;

    if (!is_writable_dir(o->dir))
        return fail_errno(o, "write in the directory", o->dir);
    fd = open(o->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return fail_errno(o, "create", o->path);
    if (stat(o->path, &st) != 0) {
        if (errno == ENOENT) { /* it is there: so it is a link to nothing */
            say(o, "%s is a symbolic link to what is not there", o->path);
            return ERR_IO;
        }
        return fail_errno(o, "look at", o->path);
    }
    if (!S_ISREG(st.st_mode)) {
        say(o, "%s is not a regular file", o->path);
        return ERR_IO;
    }
    if (access(o->path, R_OK | W_OK) != 0)
        return fail_errno(o, "read and write", o->path);
    *size = st.st_size;
    return OK;
}

/* sqlite throws away a WAL whose main file is empty. It may hold all that was
 * in a file that somebody truncated, so it is worth keeping. */
static bool has_orphan_wal(const struct opening *o, off_t size)
{
    char wal[PATH_MAX + 8];
    struct stat st;

    snprintf(wal, sizeof(wal), "%s-wal", o->path);
    return size == 0 && stat(wal, &st) == 0 && st.st_size > 0;
}

static enum error refuse_newer(struct opening *o, int version)
{
    o->report->schema_before = version;
    say(o,
        STORE_FILE_NAME " has schema version %d, this warren knows versions "
                        "up to %d: a newer warren wrote it; run that, or "
                        "move the file away",
        version, schema_version);
    return ERR_UNSUPPORTED;
}

static enum error check_version(struct opening *o)
{
    int64_t application = 0, version = 0, tables = 0;
    enum error err;

    err = sql_get_int(o->db, "PRAGMA application_id", &application);
    if (err == OK)
        err = sql_get_int(o->db, "PRAGMA user_version", &version);
    if (err == OK && application == SCHEMA_APPLICATION_ID &&
        version > schema_version)
        return refuse_newer(o, (int)version);
    if (err == OK)
        err = sql_get_int(o->db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (err != OK)
        return fail_sql(o, "read", err);
    if (application == 0 && version == 0 && tables == 0)
        return OK; /* killed before the first migration */
    if (application != SCHEMA_APPLICATION_ID || version < 1)
        return not_sound(o, "it is not a store of warren");
    o->report->schema_before = (int)version;
    return OK;
}

static enum error check_content(struct opening *o)
{
    sqlite3_stmt *st = NULL;
    enum error err = sql_prepare(o->db, "PRAGMA quick_check(1)", &st);
    const char *found;

    if (err == OK)
        err = sql_error(o->db, sql_step(st));
    if (err != OK) {
        fail_sql(o, "check", err);
        goto out;
    }
    found = (const char *)sqlite3_column_text(st, 0);
    if (found == NULL)
        err = ERR_NO_MEMORY;
    else if (strcmp(found, "ok") != 0)
        err = not_sound(o, found);
out:
    sqlite3_finalize(st);
    return err;
}

/* sqlite opens a file that it may not write for reading. We know that we may
 * (prepare_file), so it is the header that forbids it, or the file system. */
static enum error check_writable(struct opening *o)
{
    if (sqlite3_db_readonly(o->db, "main") == 0)
        return OK;
    if (access(o->path, W_OK) == 0)
        return not_sound(o, "its header forbids writing");
    say(o, "%s is read-only", o->path);
    return ERR_IO;
}

static enum error connect_file(struct opening *o)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(o->path, &o->db, flags, NULL);
    enum error err = sql_error(o->db, rc);

    if (err != OK)
        return fail_sql(o, "open", err);
    sqlite3_extended_result_codes(o->db, 1);
    sqlite3_busy_timeout(o->db, (int)o->options->busy_ms);
    /* What is set aside must stay as it was found. */
    sqlite3_db_config(o->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(o->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    err = sql_exec(o->db, setup_sql);
    return err == OK ? OK : fail_sql(o, "set up", err);
}

static enum error upgrade(struct opening *o)
{
    enum error err = sql_exec(o->db, wal_sql);

    if (err == OK)
        err = schema_migrate(o->db, schema_migrations, o->report->schema_before,
                             schema_version);
    if (err == OK)
        err = sql_exec(o->db, schema_probe);
    if (err != OK)
        return fail_sql(o, "bring up to date", err);
    o->report->schema = schema_version;
    sqlite3_db_config(o->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return OK;
}

static void disconnect(struct opening *o)
{
    sqlite3_close(o->db);
    o->db = NULL;
}

static enum error open_once(struct opening *o)
{
    off_t size = 0;
    enum error err = prepare_file(o, &size);

    if (err != OK)
        return err;
    if (size > 0 && size < SQLITE_FILE_MIN)
        return not_sound(o, "it is shorter than one page");
    if (has_orphan_wal(o, size))
        return not_sound(o, "it is empty, its WAL is not");
    if (size == 0)
        o->report->how = STORE_CREATED;
    err = connect_file(o);
    if (err == OK)
        err = check_version(o);
    if (err == OK)
        err = check_writable(o);
    if (err == OK)
        err = check_content(o);
    if (err == OK)
        err = upgrade(o);
    if (err != OK)
        disconnect(o);
    return err;
}

/* ---- Setting aside ----------------------------------------------------- */

/* A name that is not taken: two files may be set aside in one second. */
static bool choose_name(const struct opening *o, char name[STORE_NAME_SIZE])
{
    time_t wall = (time_t)o->options->wall;
    char path[PATH_MAX + STORE_NAME_SIZE], date[32] = "undated";
    struct stat st;
    struct tm tm;

    if (gmtime_r(&wall, &tm) != NULL && tm.tm_year < 8100)
        strftime(date, sizeof(date), "%Y%m%dT%H%M%S", &tm);
    for (int n = 1; n < 1000; n++) {
        snprintf(name, STORE_NAME_SIZE, "%s.corrupt-%s", STORE_FILE_NAME, date);
        if (n > 1)
            snprintf(name, STORE_NAME_SIZE, "%s.corrupt-%s.%d", STORE_FILE_NAME,
                     date, n);
        snprintf(path, sizeof(path), "%s/%s", o->dir, name);
        if (lstat(path, &st) != 0 && errno == ENOENT)
            return true;
    }
    return false;
}

/* The main file first: if we are killed in between, has_orphan_wal finds what
 * is left. The others keep their endings, so that sqlite3 can open the lot. */
static enum error set_aside(struct opening *o)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    char from[PATH_MAX + 8], to[PATH_MAX + STORE_NAME_SIZE + 8];
    char name[STORE_NAME_SIZE];

    if (!choose_name(o, name)) {
        say(o, "%s is damaged, and too many of its kind lie beside it",
            o->path);
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        snprintf(from, sizeof(from), "%s%s", o->path, endings[i]);
        snprintf(to, sizeof(to), "%s/%s%s", o->dir, name, endings[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return fail_errno(o, "set aside the damaged", o->path);
    }
    memcpy(o->report->set_aside, name, sizeof(name));
    return OK;
}

/* Why the file was damaged becomes the first half of what is reported. */
static enum error replace(struct opening *o)
{
    char why[STORE_TEXT_SIZE];
    enum error err;

    memcpy(why, o->report->text, sizeof(why));
    err = set_aside(o);
    if (err != OK)
        return err;
    o->report->schema_before = 0;
    err = open_once(o);
    if (err != OK)
        return err;
    o->report->how = STORE_REPLACED;
    say(o, "%.120s; it was set aside as %s", why, o->report->set_aside);
    return OK;
}

static void say_success(struct opening *o)
{
    struct store_report *r = o->report;

    if (r->how == STORE_CREATED)
        say(o, "created %s", STORE_FILE_NAME);
    else if (r->how == STORE_OPENED && r->schema_before != r->schema)
        say(o, "opened %s and brought its schema from version %d to %d",
            STORE_FILE_NAME, r->schema_before, r->schema);
    else if (r->how == STORE_OPENED)
        say(o, "opened %s", STORE_FILE_NAME);
}

enum error store_file_open(const char *dir, const struct store_options *options,
                           sqlite3 **out, struct store_report *report)
{
    struct opening o = {.dir = dir, .options = options, .report = report};
    int n = snprintf(o.path, sizeof(o.path), "%s/%s", dir, STORE_FILE_NAME);
    enum error err;

    *report = (struct store_report){.how = STORE_OPENED};
    if (n < 0 || (size_t)n >= sizeof(o.path)) {
        say(&o, "the name of the data directory is too long");
        return ERR_IO;
    }
    err = open_once(&o);
    if (err == ERR_CORRUPT)
        err = replace(&o);
    if (err != OK)
        return err;
    say_success(&o);
    *out = o.db;
    return OK;
}
