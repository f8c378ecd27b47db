/* SPDX-License-Identifier: MIT
 *
 * A row of a table of settings as a piece of an INI file: what it means, what
 * it must be, and its default as a comment.
 */
#include "base/setting/setting.h"

#include <string.h>

#define COMMENT_WIDTH 79
#define SENTENCE_MAX  1024

static void print_comment(const char *lines, struct text *out)
{
    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n");

        text_addf(out, "# %.*s\n", (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
}

/* A sentence as a comment, in lines that fit the screen. */
static void print_folded(const char *sentence, struct text *out)
{
    size_t used = 0;

    while (*sentence != '\0') {
        size_t len = strcspn(sentence, " ");

        if (used > 0 && used + 1 + len > COMMENT_WIDTH) {
            text_add(out, "\n");
            used = 0;
        }
        if (used == 0) {
            text_add(out, "#");
            used = 1;
        }
        text_addf(out, " %.*s", (int)len, sentence);
        used += 1 + len;
        sentence += len + (sentence[len] == ' ');
    }
    text_add(out, "\n");
}

static void print_must_be(const struct setting_key *key, struct text *out)
{
    struct text sentence;

    text_init(&sentence, SENTENCE_MAX);
    text_add(&sentence, "Must be ");
    key->type->explain(key, &sentence);
    text_add(&sentence, key->reloadable ? ". SIGHUP reloads it." : ".");
    print_folded(text_get(&sentence), out);
    text_deinit(&sentence);
}

void setting_print(const struct setting_key *key, const void *base,
                   struct text *out)
{
    key->type->print(key, (const char *)base + key->offset, out);
}

void setting_print_default(const struct setting_key *key, const void *base,
                           const char *before, struct text *out)
{
    size_t bare;

    print_comment(key->meaning, out);
    print_must_be(key, out);
    text_addf(out, "%s%s =", before, key->name);
    bare = out->len;
    text_add(out, " ");
    if (key->shown != NULL)
        text_add(out, key->shown);
    else
        setting_print(key, base, out);
    if (out->len == bare + 1)
        text_cut(out, bare); /* no blank at the end of a line */
    text_add(out, "\n");
}
