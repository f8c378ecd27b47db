/* SPDX-License-Identifier: MIT
 *
 * --json is looked for before any argument is read, so that wrong arguments are
 * told to a program as an object too.
 */
#include "cli/show/say.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FAIL_MAX   (16 * 1024) /* bytes of a sentence; more are cut off */
#define JSON_LIMIT (128 * 1024)

static bool as_json;

void say_as_json(bool on)
{
    as_json = on;
}

static void print_lines(const char *p)
{
    while (*p != '\0') {
        size_t len = strcspn(p, "\n");

        fprintf(stderr, "warren: %.*s\n", (int)len, p);
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
