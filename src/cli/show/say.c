/* SPDX-License-Identifier: MIT
 *
 * --json is looked for before any argument is read, so that wrong arguments are
 * told to a program as an object too.
 */
#include "cli/show/say.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/show/screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FAIL_MAX   (16 * 1024) /* bytes of a sentence; more are cut off */
#define JSON_LIMIT (128 * 1024)

#define PREFIX "warren: "

static bool as_json;

void say_as_json(bool on)
{
    as_json = on;
}

/* In a file or a pipe it stays one line: somebody may look for it. */
static void print_line(const char *line)
{
    if (isatty(STDERR_FILENO))
        screen_fold(stderr, strlen(PREFIX), PREFIX, line);
    else
        fprintf(stderr, PREFIX "%s\n", line);
}

static void print_lines(const char *p)
{
    char line[FAIL_MAX];

    while (*p != '\0') {
        size_t len = strcspn(p, "\n");

        snprintf(line, sizeof(line), "%.*s", (int)len, p);
        print_line(line);
        p += len + (p[len] == '\n');
    }
}

enum exit_code cli_say(enum exit_code code, const char *name, const char *why)
{
    size_t len = strlen(why);
    struct text t;

    if (!as_json) {
        print_lines(why);
        return code;
    }
    while (len > 0 && why[len - 1] == '\n')
        len--;
    text_init(&t, JSON_LIMIT);
    text_addf(&t, "{\"error\": {\"code\": \"%s\", \"text\": ", name);
    text_add_json(&t, bytes_of(why, len));
    text_add(&t, "}}");
    puts(text_get(&t));
    text_deinit(&t);
    return code;
}

static const char *name_of(enum exit_code code)
{
    return error_name(code == EXIT_USAGE ? ERR_SYNTAX : ERR_IO);
}

enum exit_code cli_fail(enum exit_code code, const char *format, ...)
{
    char why[FAIL_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    return cli_say(code, name_of(code), why);
}
