/* SPDX-License-Identifier: MIT */
#include "base/plot/gnuplot.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/warren-gnuplot-XXXXXX";

static void path_of(const char *name, char path[200])
{
    snprintf(path, 200, "%s/%s", dir, name);
}

static bool is_there(const char *name)
{
    char path[200];
    struct stat st;

    path_of(name, path);
    return stat(path, &st) == 0 && st.st_size > 0;
}

static enum error draw(const char *title, const char *plot, struct text *why)
{
    struct text script;
    enum error e;

    text_init(&script, GNUPLOT_SCRIPT_MAX);
    gnuplot_begin(&script, "it", 300, 200, title, "about it");
    text_add(&script, plot);
    e = gnuplot_draw(&script, dir, "it", why);
    text_deinit(&script);
    return e;
}

/* Whatever a file is called, it is words. */
static void test_gnuplot_strings_are_words(void **state)
{
    struct text t;

    (void)state;
    text_init(&t, 100);
    gnuplot_add_string(&t, "it's `id`\n@x \"$y\" \\");
    assert_string_equal(text_get(&t), "'it''s `id`@x \"$y\" \\'");
    text_deinit(&t);
}

static void test_gnuplot_long_titles_are_cut(void **state)
{
    char title[300];
    struct text t;

    (void)state;
    memset(title, 'x', sizeof(title) - 1);
    title[sizeof(title) - 1] = '\0';
    /* Letters of two bytes, one of which would be in the middle. */
    for (size_t i = 0; i + 1 < sizeof(title) - 1; i += 2)
        memcpy(&title[i + (i > 80)], "\xc3\xa9", 2);
    text_init(&t, 10000);
    gnuplot_begin(&t, "it", 300, 200, title, "a");
    assert_non_null(strstr(text_get(&t), "...'"));
    assert_true(text_is_plain(bytes_of(t.buf, t.len)));
    text_deinit(&t);
}

static void test_gnuplot_colours(void **state)
{
    (void)state;
    for (size_t i = 0; i < GNUPLOT_COLOURS; i++) {
        assert_int_equal(strlen(gnuplot_colour(i)), 7);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(gnuplot_colour(i), gnuplot_colour(j));
            assert_string_not_equal(
                gnuplot_colour_in_order(i, GNUPLOT_COLOURS),
                gnuplot_colour_in_order(j, GNUPLOT_COLOURS));
        }
    }
}

static void test_gnuplot_that_is_not_there(void **state)
{
    char *path = strdup(getenv("PATH"));
    struct text why;
    enum error e;

    (void)state;
    text_init(&why, 500);
    setenv("PATH", dir, 1);
    assert_int_equal(gnuplot_check(&why), ERR_NOT_FOUND);
    text_clear(&why);
    e = draw("title", "plot x\n", &why);
    setenv("PATH", path, 1);
    assert_int_equal(e, ERR_NOT_FOUND);
    assert_non_null(strstr(text_get(&why), "gnuplot-nox"));
    text_deinit(&why);
    free(path);
}

static void test_gnuplot_draws(void **state)
{
    struct text why;
    enum error e;

    (void)state;
    text_init(&why, 500);
    e = draw("it's `touch made`", "plot x\n", &why);
    if (e == ERR_NOT_FOUND) {
        printf("skipped: %s\n", text_get(&why));
        text_deinit(&why);
        skip();
    }
    assert_string_equal(text_get(&why), "");
    assert_int_equal(e, OK);
    assert_int_equal(gnuplot_check(&why), OK);
    assert_true(is_there("it.png") && is_there("it.gp"));
    assert_false(is_there("made"));
    assert_int_equal(draw("title", "no such words\n", &why), ERR_IO);
    assert_non_null(strstr(text_get(&why), "it.gp"));
    assert_non_null(strstr(text_get(&why), "line "));
    text_deinit(&why);
}

static void test_gnuplot_without_a_directory(void **state)
{
    struct text script, why;

    (void)state;
    text_init(&script, 100);
    text_init(&why, 500);
    assert_int_equal(gnuplot_draw(&script, "/dev/null/x", "it", &why), ERR_IO);
    assert_non_null(strstr(text_get(&why), "/dev/null/x/it.gp"));
    text_clear(&why);
    script.truncated = true;
    assert_int_equal(gnuplot_draw(&script, dir, "it", &why), ERR_NO_MEMORY);
    text_deinit(&script);
    text_deinit(&why);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    char path[200];

    (void)state;
    path_of("it.gp", path);
    unlink(path);
    path_of("it.png", path);
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gnuplot_strings_are_words),
        cmocka_unit_test(test_gnuplot_long_titles_are_cut),
        cmocka_unit_test(test_gnuplot_colours),
        cmocka_unit_test(test_gnuplot_that_is_not_there),
        cmocka_unit_test(test_gnuplot_draws),
        cmocka_unit_test(test_gnuplot_without_a_directory),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
