Feature: What is refused, and changes nothing

  Background:
    Given an office "Porto" in "Europe/Lisbon" with "EUR" and 20 % tax, at home in "eu1"
    And an item "lamp" that sells for 100.00 "EUR"
    And 2 "lamp" at "Porto" that cost 60.00 each
    And a customer "Museum" of "Porto"

  Scenario: More than there is
    Given an office "Vigo" in "Europe/Madrid" with "EUR" and 21 % tax, at home in "eu1"
    And 50 "lamp" at "Vigo" that cost 60.00 each
    When "Porto" takes an order of 3 "lamp" for "Museum"
    And the order is confirmed
    Then it is refused as 409 "insufficient_stock"
    And the refusal says that 3 were wanted and 2 are there
    And the refusal says that "Vigo" has 50
    And the order is "draft", "unpaid", and comes to 360.00
    And 0 "lamp" are reserved at "Porto"

  Scenario: All lines or none
    Given an item "vase" that sells for 10.00 "EUR"
    And 1 "vase" at "Porto" that cost 5.00 each
    When "Porto" takes an order of 2 "lamp" and 2 "vase" for "Museum"
    And the order is confirmed
    Then it is refused as 409 "insufficient_stock"
    And 0 "lamp" are reserved at "Porto"
    And 0 "vase" are reserved at "Porto"

  Scenario: A state that does not allow it
    When "Porto" takes an order of 1 "lamp" for "Museum"
    And 10.00 are paid by "cash"
    Then it is refused as 409 "order_state"
    When everything is shipped
    Then it is refused as 409 "order_state"
    When the order is confirmed
    And the order is confirmed
    Then it is refused as 409 "order_state"
    When everything is shipped
    And the order is cancelled because "Too late"
    Then it is refused as 409 "already_shipped"
    When 1 "lamp" is cancelled because "Too late"
    Then it is refused as 409 "already_shipped"
    When 1 "lamp" is shipped
    Then it is refused as 409 "order_state"

  Scenario: More than is open
    When "Porto" takes an order of 2 "lamp" for "Museum"
    And the order is confirmed
    And 1 "lamp" is shipped
    And 2 "lamp" are shipped
    Then it is refused as 409 "not_reserved"
    When 2 "lamp" are cancelled because "All of them"
    Then it is refused as 409 "already_shipped"
    When 2 "lamp" come back to "restock" because "More than left"
    Then it is refused as 409 "return_exceeds_shipped"

  Scenario: More money than was paid, and the same money twice
    When "Porto" takes an order of 1 "lamp" for "Museum"
    And the order is confirmed
    And 50.00 are paid by "card" under "TX-1"
    And 50.00 are paid by "card" under "TX-1"
    Then it is refused as 409 "duplicate_reference"
    When 50.01 are refunded by "card"
    Then it is refused as 409 "refund_exceeds_paid"
    And the books of "Porto" show
      | account             | balance |
      | 1000 Bank           | 50.00   |
      | 1300 Inventory      | 120.00  |
      | 2050 Not invoiced   | -120.00 |
      | 2200 Deposits       | -50.00  |

  Scenario: What cannot be ordered
    Given an office "Boston" in "America/New_York" with "USD" and 6 % tax, at home in "us1"
    And a customer "Gallery" of "Boston"
    When "Boston" takes an order of 1 "lamp" for "Gallery"
    Then it is refused as 422 "price_missing"
    When "Porto" takes an order of 1 "lamp" at "Boston" for "Museum"
    Then it is refused as 422 "location_of_other_office"
    When "Porto" takes an order in "USD" of 1 "lamp" for "Museum"
    Then it is refused as 422 "currency_mismatch"
    When "Porto" takes an order of 1 "lamp" for "Gallery"
    Then it is refused as 422 "validation_failed"
    When "lamp" is archived
    And "Porto" takes an order of 1 "lamp" for "Museum"
    Then it is refused as 409 "item_archived"

  Scenario: A closed month takes no postings
    When "Porto" takes an order of 1 "lamp" for "Museum"
    And the order is confirmed
    And "Porto" closes the month
    And everything is shipped
    Then it is refused as 409 "period_closed"
    And 1 "lamp" is reserved at "Porto"
    When "Porto" reopens the month because "One more order"
    And everything is shipped
    Then the order is "fulfilled", "unpaid", and comes to 120.00

  Scenario: Somebody else's office
    When "Porto" takes an order of 1 "lamp" for "Museum"
    And somebody of another office confirms it
    Then it is refused as 403 "office_forbidden"
    When somebody of another office looks at it
    Then it is refused as 403 "office_forbidden"
    When somebody who may only look confirms it
    Then it is refused as 403 "scope_missing"

  Scenario: Customers
    Given a customer "Archive" of "Porto" with the address "Post@Archive.example"
    When a customer "Other" of "Porto" gives the address "post@archive.EXAMPLE"
    Then it is refused as 409 "email_taken"
    When "Archive" is forgotten
    And a customer "Other" of "Porto" gives the address "post@archive.EXAMPLE"
    And "Porto" takes an order of 1 "lamp" for "Archive"
    Then it is refused as 422 "validation_failed"

  Scenario: An office that is still at work
    When "Porto" takes an order of 1 "lamp" for "Museum"
    And "Porto" closes for good
    Then it is refused as 409 "office_not_empty"
    When 2 "lamp" are lost at "Porto"
    And "Porto" closes for good
    Then it is refused as 409 "office_not_empty"
    When the order is cancelled because "We move"
    And "Porto" closes for good
    And "Porto" takes an order of 1 "lamp" for "Museum"
    Then it is refused as 422 "validation_failed"
