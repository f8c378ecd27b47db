/* SPDX-License-Identifier: MIT
 *
 * docs/experiments-files.md has a line for each measure, in the table's order;
 * WARREN_TEST_WRITE=1 prints them, to be put there.
 */
#include "sim/measure/measure.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const kinds[] = {
    [MEASURE_COUNT] = "count", [MEASURE_LEVEL] = "level",
    [MEASURE_SHARE] = "share", [MEASURE_VALUES] = "values",
    [MEASURE_CURVE] = "curve", [MEASURE_REASONS] = "reasons"};

static void add_line(struct text *t, enum measure what)
{
    const struct measure_row *row = &measure_rows[what];

    text_addf(t, "| `%s` | %s | %s | %s |\n", row->name, kinds[row->kind],
              measure_unit_name(what), row->meaning);
}

static void test_report_doc_has_all_measures(void **state)
{
    char *doc = calloc(1, 1 << 18);
    const char *at = doc;
    FILE *f = fopen("docs/experiments-files.md", "re");
    struct text line;

    (void)state;
    assert_true(f != NULL && doc != NULL);
    assert_true(fread(doc, 1, (1 << 18) - 1, f) > 0);
    fclose(f);
    text_init(&line, 1000);
    for (int i = 0; i < MEASURES; i++) {
        text_clear(&line);
        add_line(&line, (enum measure)i);
        if (getenv("WARREN_TEST_WRITE") != NULL) {
            printf("%s", text_get(&line));
            continue;
        }
        at = strstr(at, text_get(&line));
        if (at == NULL)
            fail_msg("not there, or not in its place: %s", text_get(&line));
    }
    text_deinit(&line);
    free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_doc_has_all_measures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
