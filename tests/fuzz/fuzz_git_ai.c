/* A git-ai note: whatever it holds, its record is one that can be shown. */
#include "provenance.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO(change_report) r = fuzz_report();

	fuzz_document(r, DOCUMENT_GIT_AI_NOTE,
	    "1111111111111111111111111111111111111111", "",
	    view_of(data, size));
	fuzz_check_records(r);
	/* cut short it is read as far as it goes */
	r->documents[0].cut = true;
	fuzz_check_records(r);
	return 0;
}
