/* SPDX-License-Identifier: MIT
 *
 * A file is read line by line; what stands in it may come from anywhere, so
 * that each line is checked and nothing is believed of sizes.
 */
#include "sim/saved/report_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE "warren-sim 1"
#define BYTES      "bytes " /* before a key whose values are */
#define LINE_MAX   1024
#define RUNS_MAX   1000000

/* ---- Writing --------------------------------------------------------------
 */

static void write_head(const struct report *r, uint64_t runs, struct text *out)
{
    text_addf(out, "%s\ntitle ", FIRST_LINE);
    text_add_printable(out, bytes_of(r->title, strnlen(r->title, 200)));
    if (r->dht != NULL)
        text_addf(out, "\ndht %s", r->dht);
    text_addf(out, "\nhash %s\n", r->hash);
    for (unsigned i = 0; i < r->sweeps; i++)
        text_addf(out, "sweep %s%s\n",
                  r->sweep_unit[i] == UNIT_BYTES ? BYTES : "", r->sweep[i]);
    text_addf(out, "runs %" PRIu64 "\n", runs);
}

static void write_run(const struct report *r, const struct report_run *run,
                      struct text *out)
{
    text_addf(out, "run %" PRIu64 " %" PRIu64 " %s\n", run->number, run->seed,
              run->complete ? "complete" : "early");
    for (unsigned i = 0; i < r->sweeps; i++)
        text_addf(out, "value %s\n", run->value[i]);
    measures_write(run->measures, out);
}

static bool put(FILE *f, struct text *t)
{
    bool done = !t->truncated && fwrite(text_get(t), 1, t->len, f) == t->len;

    text_clear(t);
    return done;
}

/* One run at a time: all together could be large. */
static bool write_all(const struct report *r, uint64_t runs, FILE *f)
{
    struct text t;
    bool right;

    text_init(&t, REPORT_FILE_MAX);
    write_head(r, runs, &t);
    right = put(f, &t);
    for (size_t i = 0; i < r->run_count && right; i++) {
        write_run(r, &r->runs[i], &t);
        right = put(f, &t);
    }
    text_add(&t, "end\n");
    right = right && put(f, &t);
    text_deinit(&t);
    return right;
}

enum error report_save(const struct report *r, uint64_t runs, const char *path,
                       struct text *why)
{
    struct text fresh;
    struct stat there;
    bool right = false;
    FILE *f;

    if (lstat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
        text_addf(why, "%s: is there, and no plain file; name another one\n",
                  path);
        return ERR_IO;
    }
    text_init(&fresh, 4096);
    text_addf(&fresh, "%s.new", path);
    f = fopen(text_get(&fresh), "we");
    if (f != NULL) {
        right = write_all(r, runs, f);
        right = fclose(f) == 0 && right;
        right = right && rename(text_get(&fresh), path) == 0;
    }
    if (!right)
        text_addf(why, "%s: %s", path, strerror(errno));
    if (!right && f != NULL)
        unlink(text_get(&fresh));
    text_deinit(&fresh);
    return right ? OK : ERR_IO;
}

/* ---- Reading --------------------------------------------------------------
 */

struct owned_run {
    uint64_t number, seed;
    bool complete;
    char *value[REPORT_SWEEPS_MAX];
    struct measures *measures;
};

struct report_files {
    struct report report;
    char *title, *dht, *sweep[REPORT_SWEEPS_MAX];
    uint64_t runs; /* of the sweep */
    size_t count, cap;
    struct owned_run *run;
    struct report_run *shown;
};

struct reader {
    struct report_files *f;
    const char *path;
    struct bytes in;
    char line[LINE_MAX];
    struct text *why;
};

struct report_files *report_files_new(void)
{
    return calloc(1, sizeof(struct report_files));
}

static void run_deinit(struct owned_run *run)
{
    for (int i = 0; i < REPORT_SWEEPS_MAX; i++)
        free(run->value[i]);
    measures_free(run->measures);
    *run = (struct owned_run){0};
}

void report_files_free(struct report_files *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->count; i++)
        run_deinit(&f->run[i]);
    for (int i = 0; i < REPORT_SWEEPS_MAX; i++)
        free(f->sweep[i]);
    free(f->title);
    free(f->dht);
    free(f->run);
    free(f->shown);
    free(f);
}

static enum error wrong(struct reader *r, enum error err, const char *what)
{
    text_addf(r->why, "%s: %s", r->path, what);
    return err;
}

/* The next line, which must begin with `word` and a blank; what follows it.
 * NULL: it is another one, which stays. */
static const char *take(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    const uint8_t *end;
    size_t line;

    if (r->in.len == 0)
        return NULL;
    end = memchr(r->in.p, '\n', r->in.len);
    if (end == NULL)
        return NULL;
    line = (size_t)(end - r->in.p);
    if (line >= LINE_MAX || line < len || memcmp(r->in.p, word, len) != 0 ||
        memchr(r->in.p, '\0', line) != NULL)
        return NULL;
    memcpy(r->line, r->in.p, line);
    r->line[line] = '\0';
    r->in = bytes_of(end + 1, r->in.len - line - 1);
    return r->line + len;
}

static bool read_number(const char **text, uint64_t *out)
{
    char *end;

    errno = 0;
    if (**text < '0' || **text > '9')
        return false;
    *out = strtoull(*text, &end, 10);
    *text = end + (*end == ' ');
    return errno == 0 && (*end == ' ' || *end == '\0');
}

/* Of the first file; the others must have the same. */
static enum error same(struct reader *r, char **kept, const char *text,
                       bool first)
{
    if (!first)
        return *kept != NULL && strcmp(*kept, text) == 0
                   ? OK
                   : wrong(r, ERR_IN_USE,
                           "is of another scenario or sweep than the files "
                           "before it");
    *kept = strdup(text);
    return *kept == NULL ? ERR_NO_MEMORY : OK;
}

static enum error read_hash(struct reader *r, bool first)
{
    const char *text = take(r, "hash ");

    if (text == NULL || strlen(text) != REPORT_HASH_SIZE - 1 ||
        strspn(text, "0123456789abcdef") != REPORT_HASH_SIZE - 1)
        return wrong(r, ERR_SYNTAX, "has no hash where one must be");
    if (first)
        memcpy(r->f->report.hash, text, REPORT_HASH_SIZE);
    else if (strcmp(r->f->report.hash, text) != 0)
        return wrong(r, ERR_IN_USE,
                     "is of another scenario than the files before it");
    return OK;
}

static enum error read_sweeps(struct reader *r, bool first)
{
    const char *text;
    unsigned n = 0;

    while ((text = take(r, "sweep ")) != NULL) {
        enum error err;

        if (n == REPORT_SWEEPS_MAX)
            return wrong(r, ERR_SYNTAX, "has too many sweeps");
        if (strncmp(text, BYTES, strlen(BYTES)) == 0) {
            r->f->report.sweep_unit[n] = UNIT_BYTES;
            text += strlen(BYTES);
        }
        err = same(r, &r->f->sweep[n++], text, first);
        if (err != OK)
            return err;
    }
    if (first)
        r->f->report.sweeps = n;
    return n == r->f->report.sweeps
               ? OK
               : wrong(r, ERR_IN_USE, "is of another sweep than those before");
}

static enum error read_head(struct reader *r)
{
    bool first = r->f->title == NULL;
    const char *text = take(r, FIRST_LINE);
    uint64_t runs;
    enum error err;

    if (text == NULL || text[0] != '\0')
        return wrong(r, ERR_SYNTAX,
                     "is no file of 'warren sim --save': it does not begin "
                     "with \"" FIRST_LINE "\"");
    text = take(r, "title ");
    if (text == NULL)
        return wrong(r, ERR_SYNTAX, "has no title where one must be");
    if (first && (r->f->title = strdup(text)) == NULL)
        return ERR_NO_MEMORY;
    text = take(r, "dht ");
    if (first && text != NULL && (r->f->dht = strdup(text)) == NULL)
        return ERR_NO_MEMORY;
    err = read_hash(r, first);
    if (err == OK)
        err = read_sweeps(r, first);
    if (err != OK)
        return err;
    text = take(r, "runs ");
    if (text == NULL || !read_number(&text, &runs) || runs == 0 ||
        runs > RUNS_MAX)
        return wrong(r, ERR_SYNTAX, "does not say how many runs there are");
    if (!first && runs != r->f->runs)
        return wrong(r, ERR_IN_USE, "is of a sweep of another size");
    r->f->runs = runs;
    return OK;
}

static bool has_run(const struct report_files *f, uint64_t number)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->run[i].number == number)
            return true;
    }
    return false;
}

static enum error read_values(struct reader *r, struct owned_run *run)
{
    for (unsigned i = 0; i < r->f->report.sweeps; i++) {
        const char *text = take(r, "value ");

        if (text == NULL)
            return wrong(r, ERR_SYNTAX, "has a run without its values");
        run->value[i] = strdup(text);
        if (run->value[i] == NULL)
            return ERR_NO_MEMORY;
    }
    return OK;
}

static enum error read_run(struct reader *r, const char *text,
                           struct owned_run *run)
{
    enum error err;

    if (!read_number(&text, &run->number) || !read_number(&text, &run->seed) ||
        (strcmp(text, "complete") != 0 && strcmp(text, "early") != 0) ||
        run->number >= r->f->runs)
        return wrong(r, ERR_SYNTAX, "has a run without number and seed");
    run->complete = text[0] == 'c';
    if (has_run(r->f, run->number)) {
        text_addf(r->why, "%s: has run %" PRIu64 ", which was there before",
                  r->path, run->number + 1);
        return ERR_IN_USE;
    }
    err = read_values(r, run);
    if (err == OK) {
        text_addf(r->why, "%s: ", r->path);
        err = measures_read(&r->in, &run->measures, r->why);
    }
    if (err == OK)
        text_clear(r->why);
    return err;
}

static enum error keep(struct report_files *f, struct owned_run *run)
{
    size_t cap = f->cap == 0 ? 16 : 2 * f->cap;
    struct owned_run *more;

    if (f->count == f->cap) {
        more = realloc(f->run, cap * sizeof(*more));
        if (more == NULL)
            return ERR_NO_MEMORY;
        f->run = more;
        f->cap = cap;
    }
    f->run[f->count++] = *run;
    return OK;
}

static enum error read_runs(struct reader *r)
{
    const char *text;

    while ((text = take(r, "run ")) != NULL) {
        struct owned_run run = {0};
        enum error err = read_run(r, text, &run);

        if (err == OK)
            err = keep(r->f, &run);
        if (err != OK) {
            run_deinit(&run);
            return err;
        }
    }
    text = take(r, "end");
    if (text == NULL || text[0] != '\0' || r->in.len > 0)
        return wrong(r, ERR_SYNTAX,
                     "is cut off, or has something behind its "
                     "end");
    return OK;
}

/* The whole file; NULL after a sentence. */
static char *slurp(const char *path, size_t *len, struct text *why)
{
    FILE *f = fopen(path, "re");
    char *buf = NULL;
    size_t cap = 0, n = 1;

    *len = 0;
    while (f != NULL && n > 0 && *len <= REPORT_FILE_MAX) {
        if (*len == cap) {
            char *more = realloc(buf, cap = cap == 0 ? 65536 : 2 * cap);

            if (more == NULL)
                break;
            buf = more;
        }
        n = fread(buf + *len, 1, cap - *len, f);
        *len += n;
    }
    if (f == NULL || ferror(f) || n > 0) {
        text_addf(why, "%s: %s", path,
                  f != NULL && n > 0 ? "is too large" : strerror(errno));
        free(buf);
        buf = NULL;
    }
    if (f != NULL)
        fclose(f);
    return buf;
}

enum error report_files_add(struct report_files *f, const char *path,
                            struct text *why)
{
    struct reader *r = calloc(1, sizeof(*r));
    enum error err = ERR_NO_MEMORY;
    char *whole = NULL;
    size_t len;

    if (r != NULL) {
        whole = slurp(path, &len, why);
        err = whole == NULL ? ERR_IO : OK;
    }
    if (err == OK) {
        *r = (struct reader){
            .f = f, .path = path, .in = bytes_of(whole, len), .why = why};
        err = read_head(r);
    }
    if (err == OK)
        err = read_runs(r);
    free(whole);
    free(r);
    return err;
}

static int by_number(const void *a, const void *b)
{
    const struct owned_run *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

const struct report *report_files_get(struct report_files *f, uint64_t *missing)
{
    static const struct trace_log no_traces;
    struct report_run *shown =
        realloc(f->shown, (f->count + 1) * sizeof(*shown));

    if (shown == NULL || f->title == NULL)
        return NULL;
    f->shown = shown;
    qsort(f->run, f->count, sizeof(*f->run), by_number);
    for (size_t i = 0; i < f->count; i++) {
        const struct owned_run *run = &f->run[i];

        shown[i] = (struct report_run){.number = run->number,
                                       .seed = run->seed,
                                       .measures = run->measures,
                                       .complete = run->complete};
        for (unsigned k = 0; k < f->report.sweeps; k++)
            shown[i].value[k] = run->value[k];
    }
    for (unsigned k = 0; k < f->report.sweeps; k++)
        f->report.sweep[k] = f->sweep[k];
    f->report.title = f->title;
    f->report.dht = f->dht;
    f->report.run_count = f->count;
    f->report.runs = shown;
    f->report.traces = &no_traces;
    *missing = f->runs - f->count;
    return &f->report;
}
