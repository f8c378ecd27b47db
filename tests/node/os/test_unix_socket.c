/* SPDX-License-Identifier: MIT */
#include "node/os/unix_socket.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

struct fixture {
    char dir[32];
    char path[64];
    struct unix_listener l;
    struct text why;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/warren-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
    text_init(&f->why, 1024);
    assert_int_equal(unix_listen(f->path, &f->l, &f->why), OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    unix_unlisten(&f->l);
    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    text_deinit(&f->why);
    free(f);
    return 0;
}

/* Listens while the directory and the socket have other modes, as somebody
 * whom modes concern. */
static enum error listen_with_modes(struct fixture *f, mode_t dir, mode_t path)
{
    struct unix_listener other = {.fd = -1};
    bool root = geteuid() == 0;
    enum error err;

    assert_int_equal(chmod(f->path, path), 0);
    assert_int_equal(chmod(f->dir, dir), 0);
    assert_true(!root || seteuid(NOBODY) == 0);
    err = unix_listen(f->path, &other, &f->why);
    assert_true(!root || seteuid(0) == 0);
    assert_int_equal(chmod(f->dir, 0700), 0);
    assert_int_equal(other.fd, -1);
    assert_int_equal(access(f->path, F_OK), 0);
    assert_null(strstr(text_get(&f->why), "another daemon"));
    return err;
}

static void test_unix_listen_another_users_socket(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(listen_with_modes(f, 0755, 0), ERR_IO);
    assert_non_null(strstr(text_get(&f->why), "another user's"));
}

static void test_unix_listen_cannot_remove(void **state)
{
    struct fixture *f = *state;

    close(f->l.fd); /* as a kill leaves it */
    f->l.fd = dup(STDIN_FILENO);
    assert_int_equal(listen_with_modes(f, 0555, 0777), ERR_IO);
    assert_non_null(strstr(text_get(&f->why), "cannot remove"));
}

/* Its backlog is full: it hangs, or was stopped. */
static void test_unix_listen_full_backlog(void **state)
{
    struct fixture *f = *state;
    struct unix_listener other = {.fd = -1};
    int fds[64], n = 0, fd = -1;

    while (n < 64) {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        n++;
        if (connect(fds[n - 1], (struct sockaddr *)&f->l.address,
                    sizeof(f->l.address)) != 0)
            break;
    }
    assert_in_range(n, 2, 63);
    assert_int_equal(unix_listen(f->path, &other, &f->why), ERR_IN_USE);
    assert_non_null(strstr(text_get(&f->why), "accepts nobody"));
    assert_int_equal(unix_connect(f->path, &fd, &f->why), ERR_TIMEOUT);
    while (n > 0)
        close(fds[--n]);
}

static void test_unix_listen_another_kind_of_socket(void **state)
{
    struct fixture *f = *state;
    struct unix_listener other = {.fd = -1};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    unlink(f->path);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&f->l.address, sizeof(f->l.address)), 0);
    assert_int_equal(unix_listen(f->path, &other, &f->why), ERR_IO);
    assert_non_null(strstr(text_get(&f->why), "cannot tell who listens"));
    assert_int_equal(access(f->path, F_OK), 0);
    close(fd);
}

/* Somebody else listens there by now: that socket is not ours to remove. */
static void test_unix_unlisten_removes_its_own_only(void **state)
{
    struct fixture *f = *state;
    struct unix_listener other;
    int fd;

    unlink(f->path);
    assert_int_equal(unix_listen(f->path, &other, &f->why), OK);
    unix_unlisten(&f->l);
    assert_int_equal(unix_connect(f->path, &fd, &f->why), OK);
    close(fd);
    f->l = other;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unix_listen_another_users_socket),
        TEST(test_unix_listen_cannot_remove),
        TEST(test_unix_listen_full_backlog),
        TEST(test_unix_listen_another_kind_of_socket),
        TEST(test_unix_unlisten_removes_its_own_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
