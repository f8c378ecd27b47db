/* SPDX-License-Identifier: MIT */
#include "base/plot/gnuplot.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_SIZE  4096
#define TITLE_MAX  90
#define ABOUT_MAX  130
#define NOT_THERE  127 /* as shells say that there is no such program */
#define NOT_IN_DIR 126

/* Single quotes: in others gnuplot runs what stands in backquotes. */
void gnuplot_add_string(struct text *script, const char *words)
{
    text_add(script, "'");
    for (; *words != '\0'; words++) {
        if (*words == '\'')
            text_add(script, "''");
        else if ((unsigned char)*words >= ' ' && *words != 127)
            text_add_bytes(script, bytes_of(words, 1));
    }
    text_add(script, "'");
}

/* At most so many characters; those of others are printable before. */
static void add_cut(struct text *script, const char *words, size_t max)
{
    struct text plain;

    text_init(&plain, 4 * max);
    text_add_printable(&plain, bytes_of_text(words));
    if (plain.len > max) {
        size_t len = max - 3;

        /* Not within a character of several bytes. */
        while (len > 0 && ((unsigned char)plain.buf[len] & 0xc0) == 0x80)
            len--;
        text_cut(&plain, len);
        text_add(&plain, "...");
    }
    gnuplot_add_string(script, text_get(&plain));
    text_deinit(&plain);
}

void gnuplot_begin(struct text *script, const char *name, unsigned width,
                   unsigned height, const char *title, const char *about)
{
    text_addf(script,
              "set encoding utf8\n"
              "set terminal pngcairo noenhanced size %u,%u "
              "font 'DejaVu Sans,11' background '#ffffff'\n"
              "set output ",
              width, height);
    text_add(script, "'");
    text_addf(script, "%s.png'\n", name);
    text_add(script, "set datafile missing 'NaN'\n"
                     "set style fill noborder\n"
                     "set border 3 linecolor '#606060' linewidth 1\n"
                     "set tics nomirror out scale 0.6 textcolor '#303030'\n"
                     "set grid linetype 1 linecolor '#e4e4e4' linewidth 1\n"
                     "set lmargin screen 0.095\n"
                     "set rmargin screen 0.97\n"
                     "set tmargin screen 0.86\n"
                     "set bmargin screen 0.12\n"
                     "unset key\n");
    text_addf(script, "set label 1 ");
    add_cut(script, title, TITLE_MAX);
    text_add(script, " at screen 0.02,0.955 left font ',15'\nset label 2 ");
    add_cut(script, about, ABOUT_MAX);
    text_add(script, " at screen 0.02,0.905 left font ',10' textcolor "
                     "'#707070'\n");
}

/* ---- Colours ------------------------------------------------------------- */

const char *gnuplot_colour(size_t i)
{
    static const char *const colours[GNUPLOT_COLOURS] = {
        "#0072b2", "#d55e00", "#009e73", "#cc79a7",
        "#e69f00", "#56b4e9", "#000000", "#999999"};

    return colours[i % GNUPLOT_COLOURS];
}

/* Viridis up to where it gets too light for lines on white. */
const char *gnuplot_colour_in_order(size_t i, size_t count)
{
    static const char *const colours[] = {
        "#440154", "#471365", "#482475", "#463480", "#414487", "#3b528b",
        "#355f8d", "#2f6c8e", "#2a788e", "#25848e", "#21918c", "#1e9c89",
        "#22a884", "#2fb47c", "#44bf70", "#5ec962", "#7ad151", "#9bd93c"};
    size_t last = sizeof(colours) / sizeof(colours[0]) - 1;

    assert(i < count);
    return count == 1 ? colours[6] : colours[i * last / (count - 1)];
}

/* ---- Drawing ------------------------------------------------------------- */

static enum error fail(struct text *why, const char *what)
{
    text_addf(why, "%s: %s", what, strerror(errno));
    return ERR_IO;
}

static enum error write_script(const struct text *script, const char *path,
                               struct text *why)
{
    FILE *file = fopen(path, "we");
    bool failed;

    if (file == NULL)
        return fail(why, path);
    fwrite(text_get(script), 1, script->len, file);
    failed = ferror(file) != 0;
    failed |= fclose(file) != 0;
    return failed ? fail(why, path) : OK;
}

/* In the child: what it says goes into the pipe. */
static _Noreturn void become_gnuplot(const char *dir, const char *script,
                                     int said)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || chdir(dir) != 0 || dup2(null, 0) < 0 || dup2(said, 1) < 0 ||
        dup2(said, 2) < 0)
        _exit(NOT_IN_DIR);
    /* -d: without anybody's own settings. */
    execlp("gnuplot", "gnuplot", "-d", script, (char *)NULL);
    _exit(errno == ENOENT || errno == EACCES ? NOT_THERE : NOT_IN_DIR);
}

/* All that it says, of which the first lines are kept. */
static void listen_to(int said, struct text *words)
{
    char buf[512];
    ssize_t n;

    do {
        n = read(said, buf, sizeof(buf));
        if (n > 0)
            text_add_printable(words, bytes_of(buf, (size_t)n));
    } while (n > 0 || (n < 0 && errno == EINTR));
}

static enum error not_there(struct text *why)
{
    text_add(why, "gnuplot is not installed; in Debian it is the package "
                  "gnuplot-nox");
    return ERR_NOT_FOUND;
}

/* As execlp looks for it. */
enum error gnuplot_check(struct text *why)
{
    const char *dirs = getenv("PATH");
    char path[PATH_SIZE];

    for (size_t len; dirs != NULL; dirs += len + 1) {
        len = strcspn(dirs, ":");
        snprintf(path, sizeof(path), "%.*s%sgnuplot", (int)len, dirs,
                 len > 0 ? "/" : "");
        if (access(path, X_OK) == 0)
            return OK;
        if (dirs[len] == '\0')
            break;
    }
    return not_there(why);
}

static enum error tell_end(int status, const char *script,
                           const struct text *words, struct text *why)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE)
        return not_there(why);
    text_addf(why, "gnuplot does not draw %s: %s", script, text_get(words));
    return ERR_IO;
}

static enum error run_gnuplot(const char *dir, const char *script,
                              struct text *why)
{
    int pipe_ends[2], status = 0;
    struct text words;
    enum error e;
    pid_t child;

    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return fail(why, "gnuplot");
    child = fork();
    if (child == 0)
        become_gnuplot(dir, script, pipe_ends[1]);
    close(pipe_ends[1]);
    if (child < 0) {
        close(pipe_ends[0]);
        return fail(why, "gnuplot");
    }
    text_init(&words, 300);
    listen_to(pipe_ends[0], &words);
    close(pipe_ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    e = tell_end(status, script, &words, why);
    text_deinit(&words);
    return e;
}

enum error gnuplot_draw(const struct text *script, const char *dir,
                        const char *name, struct text *why)
{
    char path[PATH_SIZE], file[256];
    enum error e;

    if (script->truncated) {
        text_addf(why, "%s: %s", name, error_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    if (snprintf(file, sizeof(file), "%s.gp", name) >= (int)sizeof(file) ||
        snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return fail(why, dir);
    }
    e = write_script(script, path, why);
    return e == OK ? run_gnuplot(dir, file, why) : e;
}
