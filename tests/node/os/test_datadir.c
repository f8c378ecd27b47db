/* SPDX-License-Identifier: MIT */
#include "node/os/datadir.h"

#include "node/os/secret.h"
#include "testing.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/warren-datadir-XXXXXX";
static struct text why;

static int setup(void **state)
{
    (void)state;
    text_init(&why, 4096);
    strcpy(root + strlen(root) - 6, "XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&why);
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void assert_why_has(const char *part)
{
    if (strstr(text_get(&why), part) == NULL)
        assert_string_equal(text_get(&why), part);
}

static void test_datadir_is_created_private(void **state)
{
    struct datadir dir;

    (void)state;
    umask(0);
    assert_int_equal(datadir_init(&dir, path_of("a/b/c"), &why), OK);
    assert_int_equal(mode_of(path_of("a/b/c")), 0700);
    assert_int_equal(mode_of(path_of("a")), 0700);
    assert_int_equal(mode_of(path_of("a/b/c/lock")), 0600);
    datadir_deinit(&dir);
    assert_int_equal(datadir_init(&dir, path_of("a/b/c/"), &why), OK);
    datadir_deinit(&dir);
    umask(022);
}

static void test_datadir_refuses_a_second_daemon(void **state)
{
    struct datadir first, second = {-1, -1};
    char pid[64];

    (void)state;
    assert_int_equal(datadir_init(&first, root, &why), OK);
    assert_int_equal(datadir_init(&second, root, &why), ERR_IN_USE);
    assert_int_equal(second.fd, -1);
    snprintf(pid, sizeof(pid), "in use by another warren, process %ld;",
             (long)getpid());
    assert_why_has(pid);
    datadir_deinit(&first);
    assert_int_equal(datadir_init(&second, root, &why), OK);
    datadir_deinit(&second);
}

static void test_datadir_of_a_killed_daemon_is_free(void **state)
{
    struct datadir dir;
    int ends[2];
    char c;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (datadir_init(&dir, root, &why) == OK)
            c = (char)write(ends[1], "x", 1);
        pause();
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &c, 1), 1);
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IN_USE);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(datadir_init(&dir, root, &why), OK);
    datadir_deinit(&dir);
    close(ends[0]);
}

static void assert_why_lacks(const char *part)
{
    if (strstr(text_get(&why), part) != NULL)
        assert_string_equal(text_get(&why), "");
}

/* `chmod` is the remedy for a directory that is warren's alone; for one that
 * is for all, like /tmp, it would break the machine. */
static void test_datadir_refuses_what_others_can_write_to(void **state)
{
    static const mode_t shared[] = {0777, 01777, 01775, 01770, 02777};
    struct datadir dir;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(shared); i++) {
        assert_int_equal(chmod(root, shared[i]), 0);
        text_clear(&why);
        assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
        assert_why_has("others may write to the data directory");
        assert_why_has(path_of("warren, which is made"));
        assert_why_lacks("chmod");
    }
    text_clear(&why);
    assert_int_equal(chmod(root, 0770), 0);
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
    assert_why_has("chmod 700 /tmp/warren-datadir-");
    assert_int_equal(chmod(root, 0755), 0);
    assert_int_equal(datadir_init(&dir, root, &why), OK);
    datadir_deinit(&dir);
    /* It has been warren's: that it is open now is a mistake. */
    assert_int_equal(chmod(root, 0777), 0);
    text_clear(&why);
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
    assert_why_has("chmod 700 /tmp/warren-datadir-");
    text_clear(&why);
    assert_int_equal(datadir_init(&dir, "/tmp/", &why), ERR_IO);
    assert_why_has("--data-dir /tmp/warren, which");
    assert_why_lacks("chmod");
}

/* What root leaves there its owner could not use. */
static void test_datadir_root_refuses_that_of_another_user(void **state)
{
    struct datadir dir;

    (void)state;
    if (geteuid() != 0)
        skip(); /* others cannot give a directory away */
    assert_int_equal(chown(root, 7881, 7881), 0);
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
    assert_why_has("belongs to uid 7881, but warren runs as root (uid 0); run "
                   "it as that user (`sudo -u '#7881' warren run ...`, "
                   "`docker run --user 7881`)");
    assert_why_has("`chown -R 0 /tmp/warren-datadir-");
    assert_int_not_equal(access(path_of("lock"), F_OK), 0);
    assert_int_equal(chown(root, 0, 0), 0);
    assert_int_equal(datadir_init(&dir, root, &why), OK);
    datadir_deinit(&dir);
}

static void touch(const char *name)
{
    int fd = open(path_of(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

/* /etc, / or a home: what it is for stands in it. */
static void test_datadir_refuses_what_is_for_something_else(void **state)
{
    struct datadir dir;

    (void)state;
    touch("passwd");
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
    assert_why_has("is not empty (there is passwd) and no data directory of "
                   "warren's; choose one that is for warren alone, such as "
                   "--data-dir /tmp/warren-datadir-");
    assert_why_has(path_of("lock`"));
    assert_int_not_equal(access(path_of("lock"), F_OK), 0);
    assert_int_equal(mkdir(path_of("lock"), 0700), 0); /* as in /var */
    text_clear(&why);
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
    assert_why_has("(there is passwd)");
    assert_int_equal(rmdir(path_of("lock")), 0);
    touch("lock"); /* as it advises */
    assert_int_equal(datadir_init(&dir, root, &why), OK);
    datadir_deinit(&dir);
    text_clear(&why);
    assert_int_equal(datadir_init(&dir, "/proc/", &why), ERR_IO);
    if (geteuid() == 0) /* nothing can be left there */
        assert_why_has("--data-dir /proc/warren, which is made");
}

static void test_datadir_takes_what_may_stand_in_a_new_one(void **state)
{
    static const char *const names[] = {"warren.ini", "warren.conf",
                                        "warren.db.damaged", "handshake.key",
                                        "control.sock"};
    struct datadir dir;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        touch(names[i]);
    assert_int_equal(mkdir(path_of("lost+found"), 0700), 0);
    assert_int_equal(datadir_init(&dir, root, &why), OK);
    datadir_deinit(&dir);
    /* A backup that was brought back, beside anything. */
    assert_int_equal(unlink(path_of("lock")), 0);
    touch("notes");
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
    touch("identity.key");
    assert_int_equal(datadir_init(&dir, root, &why), OK);
    datadir_deinit(&dir);
}

static void expect_lock_is(const char *kind)
{
    char said[128];
    struct datadir dir;

    text_clear(&why);
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
    snprintf(said, sizeof(said),
             "/lock is %s, but in a data directory it is a "
             "file that warren makes; move it away",
             kind);
    assert_why_has(said);
    assert_why_lacks("chown");
    assert_int_equal(remove(path_of("lock")), 0);
}

static void test_datadir_names_what_stands_for_its_lock(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path_of("lock"), 0700), 0);
    expect_lock_is("a directory");
    assert_int_equal(mkfifo(path_of("lock"), 0600), 0);
    expect_lock_is("a FIFO");
    assert_int_equal(symlink("/dev/null", path_of("lock")), 0);
    expect_lock_is("a symbolic link");
    assert_int_equal(symlink("nowhere", path_of("lock")), 0);
    expect_lock_is("a symbolic link");
}

static void test_datadir_secret_is_a_link_to_nothing(void **state)
{
    uint8_t key[32] = {1}, back[32];
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(symlink("else/where", path_of("key")), 0);
    assert_int_equal(secret_read(fd, "key", back, 32, &why), ERR_IO);
    assert_why_has("key is a symbolic link to else/where, which is not there; "
                   "put the file there, or remove the link");
    assert_int_equal(mkdir(path_of("else"), 0700), 0);
    assert_int_equal(secret_create(fd, "else/where", key, 32, &why), OK);
    assert_int_equal(secret_read(fd, "key", back, 32, &why), OK);
    assert_memory_equal(key, back, 32);
    text_clear(&why);
    assert_int_equal(secret_read(fd, "else", back, 32, &why), ERR_IO);
    assert_why_has("else is a directory, not a regular file");
    close(fd);
}

static void test_datadir_says_what_to_set_without_a_home(void **state)
{
    struct datadir dir;

    (void)state;
    assert_int_equal(datadir_init(&dir, "", &why), ERR_IO);
    assert_why_has("HOME is not set; give one with --data-dir");
}

static void test_datadir_refuses_what_is_no_directory(void **state)
{
    struct datadir dir;
    int fd = open(path_of("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(datadir_init(&dir, path_of("file"), &why), ERR_IO);
    assert_why_has("Not a directory");
    text_clear(&why);
    assert_int_equal(datadir_init(&dir, path_of("file/x"), &why), ERR_IO);
    assert_why_has("cannot create the data directory");
    text_clear(&why);
    assert_int_equal(datadir_init(&dir, "/proc/self/warren", &why), ERR_IO);
    assert_why_has("--data-dir");
}

/* In a child, because root has to become somebody else for it. */
static void as_another(void (*test)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && seteuid(65534) != 0)
            _exit(2);
        test();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void expect_no_write(void)
{
    char remedy[128];
    struct datadir dir;

    if (datadir_init(&dir, root, &why) != ERR_IO)
        _exit(3);
    snprintf(remedy, sizeof(remedy), "chown -R %lu %s",
             (unsigned long)geteuid(), root);
    if (strstr(text_get(&why), "cannot write to the data directory") == NULL ||
        strstr(text_get(&why), remedy) == NULL)
        _exit(4);
}

static void test_datadir_refuses_a_read_only_directory(void **state)
{
    (void)state;
    assert_int_equal(chmod(root, 0555), 0);
    as_another(expect_no_write);
    assert_int_equal(chmod(root, 0700), 0);
}

static void expect_owner(void)
{
    struct datadir dir;

    if (datadir_init(&dir, root, &why) != ERR_IO)
        _exit(3);
    if (strstr(text_get(&why), "belongs to root (uid 0), but warren runs as "
                               "nobody (uid 65534)") == NULL ||
        strstr(text_get(&why), "`chown -R 65534 /tmp/warren-") == NULL)
        _exit(4);
}

static void expect_owner_of_key(void)
{
    uint8_t key[32];

    if (secret_read(AT_FDCWD, path_of("key"), key, 32, &why) != ERR_IO)
        _exit(3);
    if (strstr(text_get(&why), "it belongs to uid 0, but warren runs as uid "
                               "65534: run `chown 65534 /tmp/") == NULL)
        _exit(4);
}

/* A volume that a daemon of root's has used first. */
static void test_datadir_names_the_owner_of_what_root_left(void **state)
{
    uint8_t key[32] = {1};

    (void)state;
    if (geteuid() != 0)
        skip(); /* nobody else leaves something to others */
    as_another(expect_owner);
    assert_int_equal(
        secret_create(AT_FDCWD, path_of("key"), key, sizeof(key), &why), OK);
    assert_int_equal(chmod(root, 0755), 0);
    as_another(expect_owner_of_key);
}

/* Nothing that can be done about a directory mends this. */
static void test_datadir_out_of_files_is_no_fault_of_the_directory(void **state)
{
    struct rlimit before, few;
    struct datadir dir;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)open("/dev/null", O_RDONLY | O_CLOEXEC);
    close((int)few.rlim_cur);
    few.rlim_cur++; /* enough for the directory, and not for the lock */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_why_has("Too many open files");
    assert_why_lacks("--data-dir");
    assert_why_lacks("give it to");
}

/* A directory that root has run a node in, and then given away. */
static void test_datadir_says_whose_it_is(void **state)
{
    struct datadir dir;

    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can give away */
    assert_int_equal(datadir_init(&dir, root, &why), OK);
    datadir_deinit(&dir);
    assert_int_equal(chown(root, 7881, 0), 0);
    assert_int_equal(seteuid(7881), 0);
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
    assert_why_has("the lock in it belongs to user 0, and warren runs as user "
                   "7881; run `chown -R 7881 /");
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(chown(root, 0, 0), 0);
    text_clear(&why);
    assert_int_equal(seteuid(7881), 0);
    assert_int_equal(datadir_init(&dir, root, &why), ERR_IO);
    assert_why_has("belongs to root (uid 0), but warren runs as ");
    assert_int_equal(seteuid(0), 0);
}

static int root_fd(void)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void test_datadir_secret_survives(void **state)
{
    uint8_t key[32], back[32] = {0};
    int fd = root_fd();

    (void)state;
    memset(key, 7, sizeof(key));
    assert_int_equal(secret_read(fd, "key", back, 32, &why), ERR_NOT_FOUND);
    assert_int_equal(secret_create(fd, "key", key, 32, &why), OK);
    assert_int_equal(mode_of(path_of("key")), 0600);
    assert_int_equal(secret_read(fd, "key", back, 32, &why), OK);
    assert_memory_equal(key, back, 32);
    assert_int_equal(secret_create(AT_FDCWD, path_of("key2"), key, 32, &why),
                     OK);
    assert_int_equal(secret_read(fd, "key2", back, 32, &why), OK);
    close(fd);
}

static void test_datadir_secret_is_written_once(void **state)
{
    uint8_t key[32] = {1}, other[32] = {2}, back[32];
    int fd = root_fd();
    char temp[64];

    (void)state;
    assert_int_equal(secret_create(fd, "key", key, 32, &why), OK);
    assert_int_equal(secret_create(fd, "key", other, 32, &why), ERR_IN_USE);
    assert_int_equal(secret_read(fd, "key", back, 32, &why), OK);
    assert_memory_equal(key, back, 32);
    /* Neither try leaves a file beside it. */
    snprintf(temp, sizeof(temp), "key.%ld.tmp", (long)getpid());
    assert_int_not_equal(faccessat(fd, temp, F_OK, 0), 0);
    close(fd);
}

static void test_datadir_secret_refuses_open_or_wrong_files(void **state)
{
    uint8_t key[32] = {1}, back[64];
    int fd = root_fd();

    (void)state;
    assert_int_equal(secret_create(fd, "key", key, 32, &why), OK);
    assert_int_equal(secret_read(fd, "key", back, 31, &why), ERR_CORRUPT);
    assert_why_has("key has 32 bytes but a key of this kind has 31");
    assert_int_equal(secret_read(fd, "key", back, 64, &why), ERR_CORRUPT);
    for (mode_t bit = 1; bit < 0100; bit <<= 1) {
        assert_int_equal(chmod(path_of("key"), 0600 | bit), 0);
        text_clear(&why);
        assert_int_equal(secret_read(fd, "key", back, 32, &why), ERR_IO);
        assert_why_has("chmod 600 key");
    }
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    text_clear(&why);
    assert_int_equal(secret_read(fd, "fifo", back, 32, &why), ERR_IO);
    assert_why_has("fifo is a FIFO, not a regular file");
    assert_int_equal(secret_create(fd, "no/such/key", key, 32, &why), ERR_IO);
    close(fd);
}

static bool is_wiped(int fd)
{
    static const uint8_t zeros[32];
    uint8_t bytes[32];

    assert_int_equal(pread(fd, bytes, 32, 0), 32);
    close(fd);
    return memcmp(bytes, zeros, 32) == 0;
}

static int open_key(const char *name)
{
    int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void test_datadir_secret_that_goes_is_wiped(void **state)
{
    uint8_t key[32] = {1}, other[32] = {2}, back[32];
    int fd = root_fd(), old;

    (void)state;
    assert_int_equal(secret_remove(fd, "key", &why), OK);
    assert_int_equal(secret_create(fd, "key", key, 32, &why), OK);
    old = open_key("key");
    assert_int_equal(secret_replace(fd, "key", other, 32, &why), OK);
    assert_true(is_wiped(old));
    assert_int_equal(secret_read(fd, "key", back, 32, &why), OK);
    assert_memory_equal(other, back, 32);
    old = open_key("key");
    assert_int_equal(secret_remove(fd, "key", &why), OK);
    assert_true(is_wiped(old));
    assert_int_not_equal(faccessat(fd, "key", F_OK, 0), 0);
    /* A copy that somebody made by a link is his. */
    assert_int_equal(secret_create(fd, "key", key, 32, &why), OK);
    assert_int_equal(linkat(fd, "key", fd, "copy", 0), 0);
    assert_int_equal(secret_remove(fd, "key", &why), OK);
    assert_false(is_wiped(open_key("copy")));
    assert_int_equal(mkdir(path_of("dir"), 0700), 0);
    assert_int_equal(secret_remove(fd, "dir", &why), ERR_IO);
    assert_why_has("cannot remove dir");
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_datadir_is_created_private),
        TEST(test_datadir_refuses_a_second_daemon),
        TEST(test_datadir_of_a_killed_daemon_is_free),
        TEST(test_datadir_refuses_what_others_can_write_to),
        TEST(test_datadir_root_refuses_that_of_another_user),
        TEST(test_datadir_refuses_what_is_for_something_else),
        TEST(test_datadir_takes_what_may_stand_in_a_new_one),
        TEST(test_datadir_names_what_stands_for_its_lock),
        TEST(test_datadir_secret_is_a_link_to_nothing),
        TEST(test_datadir_says_what_to_set_without_a_home),
        TEST(test_datadir_refuses_what_is_no_directory),
        TEST(test_datadir_refuses_a_read_only_directory),
        TEST(test_datadir_says_whose_it_is),
        TEST(test_datadir_names_the_owner_of_what_root_left),
        TEST(test_datadir_out_of_files_is_no_fault_of_the_directory),
        TEST(test_datadir_secret_survives),
        TEST(test_datadir_secret_is_written_once),
        TEST(test_datadir_secret_refuses_open_or_wrong_files),
        TEST(test_datadir_secret_that_goes_is_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
