/* SPDX-License-Identifier: MIT
 *
 * Disks that fill up or fail, memory that runs out, locks of others. The
 * faults come from a layer under sqlite: a file system in front of the real
 * one, and an allocator in front of malloc. Both fail from a chosen call on.
 */
#include "store_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* The `after`th call from now fails, and, if `lasting`, all later ones. */
static struct fault {
    long after; /* 0: never */
    bool lasting;
    bool hit;
    int rc; /* of file calls */
} disk, memory;

static bool strikes(struct fault *f)
{
    if (f->after == 0)
        return false;
    if (f->after > 1) {
        f->after--;
        return false;
    }
    f->hit = true;
    f->after = f->lasting ? 1 : 0;
    return true;
}

static sqlite3_mem_methods real_memory;

static void *faulty_malloc(int n)
{
    return strikes(&memory) ? NULL : real_memory.xMalloc(n);
}

static void *faulty_realloc(void *p, int n)
{
    return strikes(&memory) ? NULL : real_memory.xRealloc(p, n);
}

/* A file of ours is followed by that of the real file system. */
struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real;
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs faulty_vfs;

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct faulty_file *)f)->real;
}

static int file_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    return strikes(&disk) ? disk.rc
                          : real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return strikes(&disk) ? disk.rc
                          : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
    return strikes(&disk) ? disk.rc
                          : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int file_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector_size(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int file_characteristics(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

/* Version 1: no shared memory, which the store must not need. */
static const sqlite3_io_methods faulty_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                    int flags, int *out_flags)
{
    struct faulty_file *f = (struct faulty_file *)file;
    int rc;

    (void)vfs;
    f->base.pMethods = NULL;
    f->real = (sqlite3_file *)(void *)(f + 1);
    /* A full disk still opens files. */
    if (!disk.lasting && strikes(&disk))
        return SQLITE_CANTOPEN;
    rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out_flags);
    if (rc == SQLITE_OK)
        f->base.pMethods = &faulty_methods;
    return rc;
}

static int install_faults(void **state)
{
    sqlite3_mem_methods methods;

    (void)state;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    methods = real_memory;
    methods.xMalloc = faulty_malloc;
    methods.xRealloc = faulty_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
    /* The pool of small blocks would hide allocations from us. */
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
    real_vfs = sqlite3_vfs_find(NULL);
    faulty_vfs = *real_vfs;
    faulty_vfs.zName = "faulty";
    faulty_vfs.pNext = NULL;
    faulty_vfs.szOsFile += (int)sizeof(struct faulty_file);
    faulty_vfs.xOpen = vfs_open;
    return sqlite3_vfs_register(&faulty_vfs, 1);
}

static void no_faults(void)
{
    memset(&disk, 0, sizeof(disk));
    memset(&memory, 0, sizeof(memory));
}

static void put_nodes(struct store *s, uint32_t from, uint32_t to)
{
    for (uint32_t n = from; n < to; n++) {
        struct store_node node = make_node(n, 100);

        assert_int_equal(store_put_node(s, STORE_DHT, &node), OK);
    }
}

static void assert_failing(const struct fixture *f, enum error err,
                           int64_t since, size_t queued)
{
    struct store_health h = fixture_health(f);

    assert_false(h.ok);
    assert_int_equal(h.error, err);
    assert_true(h.failing_since == since);
    assert_int_equal(h.queued, queued);
    assert_non_null(strstr(h.text, "cannot write to warren.db: "));
}

static void test_faults_full_disk_and_back(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);

    put_nodes(s, 0, 10);
    assert_int_equal(store_flush(s, 100), OK);
    disk = (struct fault){.after = 1, .lasting = true, .rc = SQLITE_FULL};
    put_nodes(s, 5, 20);
    assert_int_equal(store_flush(s, 200), ERR_NO_SPACE);
    assert_failing(f, ERR_NO_SPACE, 200, 15);
    assert_int_equal(store_flush(s, 300), ERR_NO_SPACE);
    assert_failing(f, ERR_NO_SPACE, 200, 15); /* since the first */
    assert_int_equal(fixture_health(f).failures, 2);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 10);
    free(list_nodes(s, 100).nodes); /* reading goes on */
    put_nodes(s, 20, 25);           /* and so does queueing */
    no_faults();
    assert_int_equal(store_flush(s, 400), OK);
    assert_true(fixture_health(f).ok);
    assert_int_equal(fixture_health(f).failing_since, 0);
    assert_int_equal(fixture_health(f).queued, 0);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 25);
    fixture_reopen(f);
    assert_int_equal(f->report.how, STORE_OPENED);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 25);
}

/* Each write, sync, truncation and open of a flush and a close fails once. */
static void test_faults_nth_disk_call_of_a_flush(void **state)
{
    static const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE,
                                SQLITE_IOERR_FSYNC};
    struct fixture *f = *state;

    for (size_t c = 0; c < 3; c++) {
        bool hit = true;

        for (long n = 1; hit; n++) {
            struct store *s = fixture_open(f);
            enum error err;

            put_nodes(s, 0, 40);
            assert_int_equal(store_flush(s, 1), OK);
            put_nodes(s, 20, 60);
            disk = (struct fault){.after = n, .rc = codes[c]};
            err = store_flush(s, 2);
            if (err != OK) {
                assert_int_equal(err, c == 0 ? ERR_NO_SPACE : ERR_IO);
                assert_int_equal(store_flush(s, 3), OK);
            }
            fixture_close(f); /* its checkpoint may be what fails */
            hit = disk.hit;
            no_faults();
            fixture_open(f);
            assert_int_equal(f->report.how, STORE_OPENED);
            assert_int_equal(fixture_health(f).nodes[STORE_DHT], 60);
            fixture_close(f);
            fixture_empty_dir(f);
            assert_true(n > 5 || hit);
        }
    }
}

/* The same while it is made: what a failure leaves opens afterwards, and
 * nothing is ever taken for damage. */
static void test_faults_nth_disk_call_of_an_open(void **state)
{
    struct fixture *f = *state;
    bool hit = true;

    for (long n = 1; hit; n++) {
        enum error err;

        disk = (struct fault){.after = n, .rc = SQLITE_FULL};
        err = fixture_try_open(f);
        hit = disk.hit;
        no_faults();
        assert_true(err == OK || err == ERR_NO_SPACE || err == ERR_IO);
        assert_string_equal(f->report.set_aside, "");
        assert_true(f->report.text[0] != '\0');
        if (err == OK)
            fixture_close(f);
        fixture_open(f);
        assert_int_not_equal(f->report.how, STORE_REPLACED);
        fixture_close(f);
        fixture_empty_dir(f);
        assert_true(n > 5 || hit);
    }
}

/* A disk that is full when the node starts: what is there can be read. */
static void test_faults_existing_file_opens_on_a_full_disk(void **state)
{
    struct fixture *f = *state;

    put_nodes(fixture_open(f), 0, 30);
    assert_int_equal(store_flush(f->store, 1), OK);
    fixture_close(f);
    disk = (struct fault){.after = 1, .lasting = true, .rc = SQLITE_FULL};
    fixture_open(f);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 30);
    free(list_nodes(f->store, 100).nodes);
    put_nodes(f->store, 30, 31);
    assert_int_equal(store_flush(f->store, 1), ERR_NO_SPACE);
    no_faults();
    assert_int_equal(store_flush(f->store, 1), OK);
}

static void test_faults_nth_allocation_of_an_open(void **state)
{
    struct fixture *f = *state;
    bool hit = true;

    put_nodes(fixture_open(f), 0, 200);
    assert_int_equal(store_flush(f->store, 1), OK);
    fixture_close(f);
    for (long n = 1; hit; n++) {
        enum error err;

        memory = (struct fault){.after = n};
        err = fixture_try_open(f);
        hit = memory.hit;
        no_faults();
        if (err != OK && err != ERR_NO_MEMORY)
            fail_msg("allocation %ld: %s", n, f->report.text);
        assert_string_equal(f->report.set_aside, "");
        if (err != OK)
            continue;
        assert_int_equal(fixture_health(f).nodes[STORE_DHT], 200);
        fixture_close(f);
    }
}

/* Queues and writes one of each. An error leaves the rest for the next time.
 */
static enum error change_all(struct store *s, int64_t wall)
{
    struct store_node node = make_node(7, wall);
    struct store_announcement a = make_announcement(7);
    struct store_item i = make_item(7);
    struct store_node gone = make_node(8, 0);
    enum error err = store_put_node(s, STORE_DHT, &node);

    if (err == OK)
        err = store_put_announcement(s, STORE_DHT, &a);
    if (err == OK)
        err = store_put_item(s, STORE_DHT, &i);
    if (err == OK)
        err = store_put_setting(s, "id", bytes_of("0123", 4));
    if (err == OK)
        err = store_remove_node(s, STORE_DHT, &gone.endpoint);
    return err == OK ? store_flush(s, wall) : err;
}

static void test_faults_nth_allocation_of_a_flush(void **state)
{
    struct fixture *f = *state;
    bool hit = true;

    for (long n = 1; hit; n++) {
        struct store *s = fixture_open(f);
        enum error err;

        memory = (struct fault){.after = n};
        err = change_all(s, 10);
        hit = memory.hit;
        no_faults();
        if (err != OK && err != ERR_NO_MEMORY)
            fail_msg("allocation %ld: %s", n, fixture_health(f).text);
        assert_int_equal(change_all(s, 20), OK);
        assert_true(fixture_health(f).ok);
        fixture_reopen(f);
        assert_int_equal(f->report.how, STORE_OPENED);
        assert_int_equal(fixture_health(f).nodes[STORE_DHT], 1);
        assert_int_equal(fixture_health(f).items[STORE_DHT], 1);
        assert_int_equal(fixture_health(f).settings, 1);
        fixture_close(f);
        fixture_empty_dir(f);
        assert_true(n > 5 || hit);
    }
}

/* The real thing, without a privilege: the kernel refuses to let files grow.
 */
static void test_faults_file_size_limit(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct rlimit was, small = {.rlim_cur = 16384};
    enum error err;

    put_nodes(s, 0, 10);
    assert_int_equal(store_flush(s, 100), OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small.rlim_max = was.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    put_nodes(s, 10, 2000);
    err = store_flush(s, 200);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(err, ERR_NO_SPACE);
    assert_failing(f, ERR_NO_SPACE, 200, 1990);
    assert_non_null(strstr(fixture_health(f).text, "File too large"));
    assert_int_equal(store_flush(s, 300), OK);
    fixture_reopen(f);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 2000);
}

/* After a failure too, so that no mount is left behind. */
static int unmount(void **state)
{
    struct fixture *f = *state;

    fixture_close(f);
    umount2(f->dir, MNT_DETACH);
    return fixture_teardown(state);
}

/* And a file system that is full, where one can be mounted. */
static void test_faults_full_file_system(void **state)
{
    struct fixture *f = *state;
    char hog[96];
    FILE *file;
    static const char block[4096];

    if (mount("none", f->dir, "tmpfs", 0, "size=512k") != 0) {
        printf("cannot mount a tmpfs: %s\n", strerror(errno));
        skip();
    }
    put_nodes(fixture_open(f), 0, 100);
    assert_int_equal(store_flush(f->store, 1), OK);
    snprintf(hog, sizeof(hog), "%s/hog", f->dir);
    file = fopen(hog, "wb");
    assert_non_null(file);
    while (fwrite(block, 1, sizeof(block), file) == sizeof(block))
        ;
    fclose(file);
    put_nodes(f->store, 100, 1000);
    assert_int_equal(store_flush(f->store, 2), ERR_NO_SPACE);
    assert_failing(f, ERR_NO_SPACE, 2, 900);
    fixture_reopen(f); /* a restart on the full disk */
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 100);
    put_nodes(f->store, 100, 1000);
    assert_int_equal(store_flush(f->store, 3), ERR_NO_SPACE);
    assert_int_equal(unlink(hog), 0);
    assert_int_equal(store_flush(f->store, 4), OK);
    fixture_reopen(f);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 1000);
}

static void test_faults_read_only_file_system(void **state)
{
    struct fixture *f = *state;

    if (mount("none", f->dir, "tmpfs", MS_RDONLY, "size=512k") != 0) {
        printf("cannot mount a tmpfs: %s\n", strerror(errno));
        skip();
    }
    assert_int_equal(fixture_try_open(f), ERR_IO);
    assert_non_null(strstr(f->report.text, "Read-only file system"));
}

static void test_faults_locked_by_another(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;

    fixture_open(f);
    fixture_close(f);
    assert_int_equal(
        sqlite3_open_v2(f->file, &db, SQLITE_OPEN_READWRITE, real_vfs->zName),
        SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    f->options.busy_ms = 1;
    assert_int_equal(fixture_try_open(f), ERR_IN_USE);
    assert_non_null(strstr(f->report.text, "locked"));
    assert_string_equal(f->report.set_aside, "");
    sqlite3_close(db);
    fixture_open(f);
    assert_int_equal(f->report.how, STORE_OPENED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_faults_full_disk_and_back),
        store_test(test_faults_nth_disk_call_of_a_flush),
        store_test(test_faults_nth_disk_call_of_an_open),
        store_test(test_faults_existing_file_opens_on_a_full_disk),
        store_test(test_faults_nth_allocation_of_an_open),
        store_test(test_faults_nth_allocation_of_a_flush),
        store_test(test_faults_file_size_limit),
        cmocka_unit_test_setup_teardown(test_faults_full_file_system,
                                        fixture_setup, unmount),
        cmocka_unit_test_setup_teardown(test_faults_read_only_file_system,
                                        fixture_setup, unmount),
        store_test(test_faults_locked_by_another),
    };

    return cmocka_run_group_tests(tests, install_faults, NULL);
}
