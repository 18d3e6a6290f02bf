"""Every page of the portal: for tests of all of them, and for pictures."""

PAGES = {  # by who sees them; what stands in brackets is the id of one that they may see
    "": (
        *("", "/about", "/rules", "/help", "/privacy", "/accessibility", "/docs", "/docs/types", "/map"),
        *("/sign-in", "/sign-up"),
        *("/organizations", "/organizations/{organization}", "/convenings", "/convenings/month", "/nowhere"),
        *("/convenings/{convening}", "/records", "/records?q=معلم", "/records/{record}"),
        *("/needs", "/needs/{need}", "/offers", "/offers/{offer}"),
    ),
    "member": (
        *("/desk", "/profile", "/sessions", "/apply", "/apply?for=organization", "/applications/{draft}"),
        *("/applications/{draft}/change", "/organizations/{organization}/change", "/people", "/people/{person}"),
        *("/people/{person}/change", "/affiliations/new?organization_id={other}", "/needs", "/needs/{need}"),
        *("/needs/{need}/change", "/needs/new", "/offers", "/offers/{offer}", "/offers/{own_offer}/change"),
        *("/offers/new", "/matches", "/matches/{match}", "/convenings/new", "/convenings/organized"),
        *("/convenings/{convening}/change", "/convenings/{convening}/cancel", "/convenings/{convening}/registrations"),
        *("/registrations", "/calendar-feeds", "/records/new", "/records/{written}/change", "/my-records"),
    ),
    "coordinator": (
        *("/queues", "/queues/applications", "/queues/applications/{application}", "/queues/affiliations"),
        *("/queues/affiliations/{affiliation}", "/accounts/{account}/roles", "/figures"),
    ),
    "curator": ("/queues/records",),
}
FILES = {"/convenings/*/calendar", "/files/*"}  # what is downloaded and no page
